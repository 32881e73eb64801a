"""The walk through the data: which items each step takes, and the next batches made while this one is used."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ctaplib.errors import CtapError, TrainingError, counted, shortened
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.tensors import map_tensors
from ctaplib.train.accumulate import split_share
from ctaplib.train.distributed import World
from ctaplib.train.memory import explain

LOOK_S = 20.0
"""Most seconds that are spent on looking at the batches of all epochs before the first step."""
log = get_logger("ctaplib.train")
Load = Callable[[str, Sequence[int], int], Any]


@dataclass
class Position:
    """Where a run stands; saved with it.

    Attributes:
        step: Steps done.
        epoch: Epoch of the next batch.
        batch: Number of the next batch in its epoch.
        epoch_ends: Whether the step done was the last of its epoch.
        due: What is still to do after the step: `validation`, then `mean` (of the best checkpoints), or nothing.
        tally: Account of the epoch so far (`EpochTally`).
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    epoch_ends: bool = False
    due: str = ""
    tally: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """What one step takes.

    Attributes:
        step: Its number.
        items: This process's items.
        micros: The same, in micro-batches.
        several: Whether any process has more than one micro-batch.
        epoch, batch: The position behind it.
        last: Whether its epoch ends there.
    """

    step: int
    items: list[int]
    micros: list[list[int]]
    several: bool
    epoch: int
    batch: int
    last: bool


def check_batches(task: Task, start: Position, world: World) -> None:
    """Look before the first step at those to come: whether every batch has an item for every process.

    Raises:
        TrainingError: one is too small.
    """
    step, epoch, limit = start.step - start.batch, start.epoch, time.monotonic() + LOOK_S
    while world.size > 1 and (left := task.config.train.max_steps - step) > 0:
        sizes = [len(items) for items in task.train_plan(epoch)[:left]]
        if sizes and min(sizes) < world.size:
            raise _too_small(epoch, min(sizes), world.size)
        if not sizes:
            return  # the first step tells
        step, epoch = step + len(sizes), epoch + 1
        if time.monotonic() > limit:
            log.warning("batches were looked at up to epoch %d; those of later ones are when they come", epoch - 1)
            return


def _too_small(epoch: int, items: int, processes: int) -> TrainingError:
    return TrainingError(
        f"a global batch of epoch {epoch} has {items} items, for {processes} processes",
        fix=f"begin with batch.min_items={processes} or more, raise batch.batch_s, or take fewer processes",
    )


def shares(task: Task, start: Position, world: World, micro_frames: int = 0) -> Iterator[Share]:
    """All steps still to do. The global batches do not depend on the number of processes, nor on `micro_frames`.

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
                raise _too_small(at.epoch, len(items), world.size)
            at.step, at.batch = at.step + 1, at.batch + 1
            mine = items[world.rank :: world.size]
            every = [split_share(task, items[rank :: world.size], micro_frames) for rank in range(world.size)]
            several = any(len(micros) > 1 for micros in every)
            yield Share(at.step, mine, every[world.rank], several, at.epoch, at.batch, at.batch == len(plan))
        at.epoch, at.batch = at.epoch + 1, 0


def _tell_longer(task: Task, start: Position, world: World, micro_frames: int) -> None:
    """Warn once of items that are longer than a pass is to be: each is a pass of its own, and takes more memory."""
    if not micro_frames or not world.is_main:
        return
    frames = task.item_frames(sorted({item for items in task.train_plan(start.epoch) for item in items}))
    if longer := [n for n in frames if n > micro_frames]:
        log.warning(
            "a pass is to take %d frames of 10 ms at most (--batch_bins); %s longer, up to %d, and each is a pass of its own",
            micro_frames, counted(len(longer), "item is", "items are"), max(longer),
        )  # fmt: skip


def _not_loaded(task: Task, share: Share, error: Exception) -> TrainingError:
    """What to say of a batch that could not be made."""
    fewer = "lower train.loaders or batch.batch_s, or take a machine with more memory for each process"
    told = explain(error, task.item_frames(share.items), f"while the batch of step {share.step} was loaded", fewer)
    names = shortened(task.item_names(share.items), 8)
    if told is None:
        log.error("the batch of step %d could not be loaded", share.step, exc_info=error)
    found = told.found if told is not None else f"the batch of step {share.step} could not be loaded: {error!r}"
    fix = fewer if told is not None else "look at these items; the log has where it happened"
    return TrainingError(f"{found}; it was to hold {', '.join(names)}", fix=fix)


def batches(
    task: Task, position: Position, world: World, load: Load, micro_frames: int = 0
) -> Iterator[tuple[Share, list[Any], float]]:
    """Shares with their micro-batches and the seconds waited for them; moves `position`'s place in the epoch, not its step.

    Micro-batches are on the CPU; where the model is on a GPU, in pinned memory, out of which they are copied while it computes.
    """
    ahead, pins = max(1, task.config.train.loaders), world.device.type == "cuda"

    def begin() -> None:
        if pins:
            torch.cuda.set_device(world.device)  # a new thread would open a context on the first GPU

    with ThreadPoolExecutor(ahead, initializer=begin) as pool:

        def make(share: Share) -> list[Any]:
            try:
                micros = [load("train", items, share.step) for items in share.micros]
                return [map_tensors(batch, torch.Tensor.pin_memory) for batch in micros] if pins else micros
            except CtapError:
                raise  # it says what it met
            except Exception as error:
                raise _not_loaded(task, share, error) from error

        _tell_longer(task, position, world, micro_frames)
        plan = shares(task, position, world, micro_frames)
        waiting: deque[tuple[Share, Future[list[Any]]]] = deque()

        def submit() -> None:
            share = next(plan, None)
            if share is not None:
                waiting.append((share, pool.submit(make, share)))

        for _ in range(ahead):
            submit()
        while waiting:
            share, future = waiting.popleft()
            started = time.perf_counter()
            micros = future.result()
            waited_s = time.perf_counter() - started
            submit()
            position.epoch, position.batch, position.epoch_ends = share.epoch, share.batch, share.last
            yield share, micros, waited_s
