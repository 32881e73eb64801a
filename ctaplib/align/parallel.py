"""Work on fixed shards of a list, in forked processes and over the ranks of a run; results depend on neither."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import torch

from ctaplib.cluster.processes import end_with_parent
from ctaplib.collective import gather_objects, rank, world_size

Result = TypeVar("Result")

SHARD = 32
_work: list[Callable[[range], Any]] = []


def map_shards(work: Callable[[range], Result], n_items: int, jobs: int) -> Iterator[Result]:
    """Apply a function to ranges of items, in order.

    Where several ranks run, all of them must call it and go through to the end: each does its share of the ranges and
    gets the results of all.

    Args:
        work: Takes a range of indices; it may be a closure over large arrays, which forked processes share.
        n_items: Items in all.
        jobs: Processes of this rank.

    Yields:
        The result of every range.
    """
    shards = [range(first, min(first + SHARD, n_items)) for first in range(0, n_items, SHARD)]
    if world_size() == 1:
        yield from _map(work, shards, jobs)
        return
    every = gather_objects(list(_map(work, shards[rank() :: world_size()], jobs)))
    yield from (every[place % len(every)][place // len(every)] for place in range(len(shards)))


def _map(work: Callable[[range], Result], shards: Sequence[range], jobs: int) -> Iterator[Result]:
    if jobs <= 1 or len(shards) <= 1:
        yield from map(work, shards)
        return
    _work.append(work)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_settle, initargs=(os.getpid(),)) as pool:
            yield from pool.map(_call, shards)
    finally:
        _work.pop()


def _settle(parent: int) -> None:
    """One thread; ends with its parent, however that ends, and is not asked to stop in its place."""
    torch.set_num_threads(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)


def _call(shard: range) -> Any:
    return _work[-1](shard)
