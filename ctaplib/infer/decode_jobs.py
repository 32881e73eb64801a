"""Decoding in parallel: every system on every set is a job of its own, of one thread, wherever it runs."""

from collections.abc import Sequence
from functools import partial

import torch

from ctaplib.cluster.jobs import map_jobs
from ctaplib.infer.decode_sets import Decoder

_ONE_THREAD = (torch.set_num_threads, (1,))


def decode_all(decoder: Decoder, sets: Sequence[str], nj: int) -> None:
    """All systems on all sets; the output does not depend on `nj` or the back end."""
    items = [(name, part) for name in sets for part in decoder.parts]
    for _ in map_jobs(partial(_decode, decoder), items, nj, what="decode", setup=_ONE_THREAD, parts=4):
        pass


def judge_all(decoder: Decoder, sets: Sequence[str], nj: int) -> None:
    """The judge on all audio of all sets."""
    items = [(name, task, system) for name in sets for task, system in decoder.judged(name)]
    for _ in map_jobs(partial(_judge, decoder), items, nj, what="judge", setup=_ONE_THREAD, parts=4):
        pass


def _decode(decoder: Decoder, item: tuple[str, tuple[str, str]]) -> None:
    name, part = item
    decoder.decode(name, [part])


def _judge(decoder: Decoder, item: tuple[str, str, str]) -> None:
    decoder.judge(*item)
