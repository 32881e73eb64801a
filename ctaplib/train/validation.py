"""Metrics of the validation set, shared by the processes."""

from collections.abc import Iterator

import torch

from ctaplib.collective import gather_objects
from ctaplib.errors import TrainingError
from ctaplib.tasks.base import Task
from ctaplib.train.accumulate import cut
from ctaplib.train.batches import Load
from ctaplib.train.distributed import World
from ctaplib.train.memory import explain
from ctaplib.train.precision import autocast
from ctaplib.train.previews import unchanged
from ctaplib.train.reduce import pairs_of


@torch.no_grad()
def measure(task: Task, world: World, precision: str, load: Load, max_frames: int = 0) -> dict[str, float]:
    """Mean of every metric over the items of all processes, by name.

    Args:
        task: Its model is in evaluation mode.
        world: The processes; each takes its share of every batch.
        precision: Of the products.
        load: Makes a batch.
        max_frames: Most padded 10 ms frames of one forward pass; 0 for no limit. The result does not depend on it, but for
            rounding.

    Raises:
        TrainingError: memory ran out.
    """
    sums: dict[str, torch.Tensor] = {}
    for part in _parts(task, world, max_frames):
        torch.manual_seed(task.config.seed)
        for name, pair in _evaluate(task, part, world, precision, load).items():
            sums[name] = sums.get(name, torch.zeros(2, dtype=torch.float64)) + pair.cpu()
    names = sorted({n for found in gather_objects(sorted(sums)) for n in found})  # a process may have had no item
    if world.size > 1 and names:
        none = torch.zeros(2, dtype=torch.float64)
        total = world.sum(torch.stack([sums.get(n, none) for n in names]).to(world.device)).cpu()
        sums = dict(zip(names, total))
    values = {n: float(sums[n][0] / sums[n][1].clamp_min(1)) for n in names}
    return values | (task.overall(values) if values else {})


@torch.no_grad()
def try_largest(task: Task, world: World, precision: str, load: Load, max_frames: int = 0) -> None:
    """Evaluate before the first step what takes most memory in a validation, so that it runs out now or never.

    These are the pass of most padded frames and that of the longest item: what attention takes grows with the square of the
    length. Leaves no trace.

    Args:
        task, world, precision, load, max_frames: As in `measure`.

    Raises:
        TrainingError: memory ran out on any process; all raise it.
    """
    sizes = [(part, task.valid_frames(part)) for part in _parts(task, world, max_frames)]
    most = max(sizes, key=lambda pair: max(pair[1]) * len(pair[1]), default=([], []))[0]
    longest = max(sizes, key=lambda pair: max(pair[1]), default=([], []))[0]
    told = ""
    try:
        with unchanged(task.model):
            for part in [most] * bool(most) + [longest] * (longest != most):
                _evaluate(task, part, world, precision, load, "in a trial of the validation, before the first step")
    except TrainingError as error:
        if world.size == 1:
            raise
        told = str(error)
    finally:
        task.discard_pending()
    every = gather_objects(told)
    if faults := [f"process {rank} of {world.size}: {words}" for rank, words in enumerate(every) if words]:
        raise TrainingError(faults[0])


def _parts(task: Task, world: World, max_frames: int) -> Iterator[list[int]]:
    """The items of every pass of this process."""
    for items in task.valid_plan():
        if share := items[world.rank :: world.size]:
            yield from cut(share, task.valid_frames(share), max_frames)


def _evaluate(
    task: Task, part: list[int], world: World, precision: str, load: Load, where: str = "in the validation"
) -> dict[str, torch.Tensor]:
    try:
        with autocast(world.device, precision):
            return pairs_of(task.evaluate(load("valid", part, 0)))
    except (RuntimeError, MemoryError) as error:
        fewer = "go on with --batch_bins and fewer frames than these take together"
        alone = "take utterances of that length out of the validation set, or take a machine with more memory"
        told = explain(error, task.valid_frames(part), where, fewer if len(part) > 1 else alone)
        if told is None:
            raise
        raise told from error
