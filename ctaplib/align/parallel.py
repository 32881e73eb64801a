"""Work on fixed shards of a list, in forked processes and over the ranks of a run; the results depend on neither."""

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


def map_items(work: Callable[[int], Result], n_items: int, jobs: int) -> list[Result]:
    """Apply a function to indices, as `map_shards` does to ranges of them."""
    return [result for part in map_shards(lambda shard: [work(i) for i in shard], n_items, jobs) for result in part]


def map_shards(work: Callable[[range], Result], n_items: int, jobs: int) -> Iterator[Result]:
    """Apply a function to ranges of indices and yield its results, in order.

    Where several ranks run, all of them must call it and go through to the end: each works on a part of the ranges and
    gets all results. The function may be a closure over large arrays, which the forked processes of a rank share.
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
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(os.getpid(), work)) as pool:
        yield from pool.map(_call, shards)


def _start_worker(parent: int, work: Callable[[range], Any]) -> None:
    """Set up a worker: one thread, its own process group (signals to the run's do not reach it), killed when its parent ends."""
    _work[:] = [work]
    torch.set_num_threads(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)


def _call(shard: range) -> Any:
    return _work[0](shard)
