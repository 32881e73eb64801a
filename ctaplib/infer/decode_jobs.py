"""Decoding in parallel: the systems of one run on one set are a job of one thread, wherever it runs."""

from collections.abc import Sequence
from functools import partial

import torch

from ctaplib.cluster.jobs import map_jobs
from ctaplib.infer.decode_sets import Decoder
from ctaplib.methods.base import System

_ONE_THREAD = (torch.set_num_threads, (1,))


def decode_all(decoder: Decoder, sets: Sequence[str], nj: int) -> None:
    """Decode all sets with all systems; the output does not depend on `nj` or the back end."""
    items = [(set_, part) for set_ in sets for part in decoder.parts()]
    for _ in map_jobs(partial(_decode, decoder), items, nj, what="decode", setup=_ONE_THREAD, parts=4, keep=True):
        pass


def judge_all(decoder: Decoder, sets: Sequence[str], nj: int) -> None:
    """Recognise all audio of all sets with the judge."""
    items = [(set_, task, system) for set_ in sets for task, system in decoder.judged(set_)]
    for _ in map_jobs(partial(_judge, decoder), items, nj, what="judge", setup=_ONE_THREAD, parts=4, keep=True):
        pass


def _decode(decoder: Decoder, item: tuple[str, tuple[System, ...]]) -> None:
    decoder.decode(*item)


def _judge(decoder: Decoder, item: tuple[str, str, str]) -> None:
    decoder.judge(*item)
