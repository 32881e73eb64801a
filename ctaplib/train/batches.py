"""The order of training: which items each step takes, and the next batches, made while a step runs."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import torch

from ctaplib.errors import CtapError, TrainingError, counted, shortened
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.tensors import map_tensors
from ctaplib.train.accumulate import cut
from ctaplib.train.distributed import World
from ctaplib.train.memory import explained

CHECK_S = 20.0  # most seconds for checking the batches of all epochs before the first step
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
        tally: Sums over the epoch so far (`EpochTally`).
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    epoch_ends: bool = False
    due: str = ""
    tally: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LocalBatch:
    """The local batch of a step.

    Attributes:
        micros: The items in micro-batches.
        several: Whether any rank has more than one micro-batch.
        epoch, batch: Position after the step.
        last: Whether the epoch ends with the step.
    """

    step: int
    items: list[int]
    micros: list[list[int]]
    several: bool
    epoch: int
    batch: int
    last: bool


def check_batches(task: Task, start: Position, world: World) -> None:
    """Check before the first step that every batch to come has an item for every rank.

    Raises:
        TrainingError: one is too small.
    """
    step, epoch, limit = start.step - start.batch, start.epoch, time.monotonic() + CHECK_S
    while world.size > 1 and (left := task.config.train.max_steps - step) > 0 and (plan := task.train_plan(epoch)):
        _check_size(epoch, min(map(len, plan[:left])), world)
        step, epoch = step + len(plan), epoch + 1
        if time.monotonic() > limit:
            log.warning("batches are checked up to epoch %d; those of later epochs are when they come", epoch - 1)
            return


def _check_size(epoch: int, items: int, world: World) -> None:
    if items < world.size:
        raise TrainingError(
            f"a global batch of epoch {epoch} has {items} items, for {world.size} processes",
            fix=f"begin with batch.min_items={world.size} or more, raise batch.batch_s, or take fewer processes",
        )


def local_batches(task: Task, start: Position, world: World, micro_frames: int = 0) -> Iterator[LocalBatch]:
    """Yield the local batches of all steps still to do. Global batches depend neither on the ranks nor on `micro_frames`.

    Raises:
        TrainingError: there is no batch, or one that is too small for all ranks.
    """
    at, last = replace(start), task.config.train.max_steps
    while at.step < last:
        plan = task.train_plan(at.epoch)
        if not plan:
            raise TrainingError("the training set gives no batch", fix="see the list of what was left out and why")
        for items in plan[at.batch :]:
            if at.step == last:
                return
            _check_size(at.epoch, len(items), world)
            at.step, at.batch = at.step + 1, at.batch + 1
            every = [items[rank :: world.size] for rank in range(world.size)]
            micros = [cut(mine, task.item_frames(mine), micro_frames) for mine in every]
            several, last_batch = any(len(each) > 1 for each in micros), at.batch == len(plan)
            yield LocalBatch(at.step, every[world.rank], micros[world.rank], several, at.epoch, at.batch, last_batch)
        at.epoch, at.batch = at.epoch + 1, 0


def _warn_of_longer(task: Task, start: Position, world: World, micro_frames: int) -> None:
    """Warn once of items that are longer than a micro-batch may be."""
    if not micro_frames or not world.is_main:
        return
    frames = task.item_frames(sorted({item for items in task.train_plan(start.epoch) for item in items}))
    if longer := [n for n in frames if n > micro_frames]:
        log.warning(
            "a micro-batch may have %d frames of %g ms (--batch_bins); %s longer, up to %d, and each is a micro-batch of its own",
            micro_frames, 1000 * task.frame_s, counted(len(longer), "item is", "items are"), max(longer),
        )  # fmt: skip


def _make(task: Task, local: LocalBatch, load: Load, pin: bool) -> list[Any]:
    """Make the micro-batches of a step.

    Raises:
        TrainingError: it cannot be done; names the items. An error of the task that says what it met stays what it is.
    """
    batch = f"the batch of step {local.step} ({', '.join(shortened(task.item_names(local.items), 8))})"
    fewer = "lower train.loaders or batch.batch_s, or take a machine with more memory for each process"
    try:
        with explained(task, task.item_frames(local.items), f"while {batch} was loaded", fewer):
            micros = [load("train", items, local.step) for items in local.micros]
            return [map_tensors(micro, torch.Tensor.pin_memory) for micro in micros] if pin else micros
    except CtapError:
        raise
    except Exception as error:
        log.error("%s could not be loaded", batch, exc_info=error)
        fix = "look at these items; the log has where it happened"
        raise TrainingError(f"{batch} could not be loaded: {error!r}", fix=fix) from error


def batches(
    task: Task, position: Position, world: World, load: Load, micro_frames: int = 0
) -> Iterator[tuple[LocalBatch, list[Any], float]]:
    """Yield local batches with their micro-batches and the seconds waited; moves `position` in the epoch, not its step.

    Micro-batches are on the CPU; where the model is on a GPU, in pinned memory, which is copied while the GPU computes.
    """
    ahead, pin = max(1, task.config.train.loaders), world.device.type == "cuda"

    def begin() -> None:
        if pin:
            torch.cuda.set_device(world.device)  # a new thread would open a context on the first GPU

    _warn_of_longer(task, position, world, micro_frames)
    with ThreadPoolExecutor(ahead, initializer=begin) as pool:
        # Batches are begun in the order of the steps, as many ahead as there are threads.
        plan = local_batches(task, position, world, micro_frames)
        begun = ((local, pool.submit(_make, task, local, load, pin)) for local in plan)
        waiting = deque(islice(begun, ahead))
        while waiting:
            local, future = waiting.popleft()
            started = time.perf_counter()
            micros = future.result()
            waited_s = time.perf_counter() - started
            waiting.extend(islice(begun, 1))
            position.epoch, position.batch, position.epoch_ends = local.epoch, local.batch, local.last
            yield local, micros, waited_s
