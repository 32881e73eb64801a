"""The walk through the data: which items each step takes, and the next batch made while this one is used."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ctaplib.errors import TrainingError
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World

Load = Callable[[str, Sequence[int], int], Any]


@dataclass
class Position:
    """Where a run stands; saved with it.

    Attributes:
        step: Steps done.
        epoch: Epoch of the next batch.
        batch: Number of the next batch in its epoch.
        best: Smallest value so far of the metric that chooses the best checkpoint.
        bad_steps: Steps in a row whose gradients were not finite.
        epoch_ends: Whether the step done was the last of its epoch.
        tally: Account of the epoch so far (`EpochTally`).
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best: float = float("inf")
    bad_steps: int = 0
    epoch_ends: bool = False
    tally: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """What one step takes: its number, this process's items, the position behind it, whether its epoch ends there."""

    step: int
    items: list[int]
    epoch: int
    batch: int
    last: bool


def shares(task: Task, start: Position, world: World) -> Iterator[Share]:
    """All steps still to do. The global batches do not depend on the number of processes.

    Raises:
        TrainingError: there is no batch, or one that is too small for all processes.
    """
    at, last = replace(start), task.config.train.max_steps
    while at.step < last:
        plan = task.train_plan(at.epoch)
        if not plan:
            raise TrainingError("the training set gives no batch", fix="see the list of what was left out and why")
        for items in plan[at.batch :]:
            if at.step == last:
                return
            if len(items) < world.size:
                raise TrainingError(
                    f"a global batch of {len(items)} items cannot be shared by {world.size} processes",
                    fix="raise batch.batch_s or batch.min_items",
                )
            at.step, at.batch = at.step + 1, at.batch + 1
            yield Share(at.step, items[world.rank :: world.size], at.epoch, at.batch, at.batch == len(plan))
        at.epoch, at.batch = at.epoch + 1, 0


def batches(task: Task, position: Position, world: World, load: Load) -> Iterator[tuple[Any, float]]:
    """Batches with the seconds waited for each; moves `position`'s place in the epoch, not its step."""
    with ThreadPoolExecutor(1) as pool:

        def submit(share: Share | None) -> tuple[Share, Future[Any]] | None:
            return None if share is None else (share, pool.submit(load, "train", share.items, share.step))

        plan = shares(task, position, world)
        pending = submit(next(plan, None))
        while pending is not None:
            share, future = pending
            started = time.perf_counter()
            batch = future.result()
            waited_s = time.perf_counter() - started
            pending = submit(next(plan, None))
            position.epoch, position.batch, position.epoch_ends = share.epoch, share.batch, share.last
            yield batch, waited_s
