"""Metrics of the validation set, computed by all ranks together."""

from collections.abc import Iterator

import torch

from ctaplib.collective import gather_objects
from ctaplib.errors import TrainingError
from ctaplib.tasks.base import Task
from ctaplib.train.accumulate import cut, pairs_of, sum_pairs
from ctaplib.train.batches import Load
from ctaplib.train.distributed import World
from ctaplib.train.memory import explained
from ctaplib.train.precision import autocast
from ctaplib.train.previews import unchanged


@torch.no_grad()
def measure(task: Task, world: World, precision: str, load: Load, max_frames: int = 0) -> dict[str, float]:
    """Return the mean of every metric over the validation items of all ranks, by name.

    Args:
        task: The task; its model is in evaluation mode.
        max_frames: Most padded feature frames of one forward pass; 0 for no limit. Changes the result by rounding only.

    Raises:
        TrainingError: memory ran out.
    """
    none = torch.zeros(2, dtype=torch.float64)
    sums: dict[str, torch.Tensor] = {}
    for part in _parts(task, world, max_frames):
        torch.manual_seed(task.config.seed)
        for name, pair in _evaluate(task, part, world, precision, load).items():
            sums[name] = sums.get(name, none) + pair.cpu()
    names = {n for rank_names in gather_objects(list(sums)) for n in rank_names}  # a rank may have had no item
    if not names:
        return {}
    total = sum_pairs([{n: sums.get(n, none) for n in names}], world)
    values = {n: float(pair[0] / pair[1].clamp_min(1)) for n, pair in total.items()}
    return values | task.overall(values)


@torch.no_grad()
def try_largest(task: Task, world: World, precision: str, load: Load, max_frames: int = 0) -> None:
    """Evaluate what takes most memory in a validation before the first step, and leave no trace.

    These are the pass of most padded frames and that of the longest item: the memory of attention grows with the square of the
    length. The arguments are those of `measure`.

    Raises:
        TrainingError: memory ran out on a rank; all raise it.
    """
    sizes = [(part, task.valid_frames(part)) for part in _parts(task, world, max_frames)]
    most = max(sizes, key=lambda pair: max(pair[1]) * len(pair[1]), default=([], []))[0]
    longest = max(sizes, key=lambda pair: max(pair[1]), default=([], []))[0]
    fault = ""
    try:
        with unchanged(task.model):
            for part in [most] * bool(most) + [longest] * (longest != most):
                _evaluate(task, part, world, precision, load, "in a trial of the validation, before the first step")
    except TrainingError as error:
        if world.size == 1:
            raise
        fault = str(error)
    finally:
        task.discard_pending()
    if faults := [f"process {rank} of {world.size}: {words}" for rank, words in enumerate(gather_objects(fault)) if words]:
        raise TrainingError(faults[0])


def _parts(task: Task, world: World, max_frames: int) -> Iterator[list[int]]:
    """Yield the items of every forward pass of this rank."""
    for items in task.valid_plan():
        if mine := items[world.rank :: world.size]:
            yield from cut(mine, task.valid_frames(mine), max_frames)


def _evaluate(
    task: Task, part: list[int], world: World, precision: str, load: Load, where: str = "in the validation"
) -> dict[str, torch.Tensor]:
    fix = "take utterances of that length out of the validation set, or take a machine with more memory"
    if len(part) > 1:
        fix = "go on with --batch_bins and fewer frames than these take together"
    with explained(task, task.valid_frames(part), where, fix), autocast(world.device, precision):
        return pairs_of(task.evaluate(load("valid", part, 0)))
