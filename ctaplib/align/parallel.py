"""Work on fixed shards of a list in forked processes of this machine, so that results do not depend on how many there are."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

SHARD = 32
_work: list[Callable[[range], Any]] = []


def map_shards(work: Callable[[range], Result], n_items: int, jobs: int) -> Iterator[Result]:
    """Apply a function to ranges of items, in order.

    Args:
        work: Takes a range of indices; it may be a closure over large arrays, which forked processes share.
        n_items: Items in all.
        jobs: Processes.

    Yields:
        The result of every range.
    """
    shards = [range(first, min(first + SHARD, n_items)) for first in range(0, n_items, SHARD)]
    if jobs <= 1 or len(shards) == 1:
        yield from map(work, shards)
        return
    _work.append(work)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(_call, shards)
    finally:
        _work.pop()


def _call(shard: range) -> Any:
    return _work[-1](shard)
