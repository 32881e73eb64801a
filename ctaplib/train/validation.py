"""Metrics of the validation set, shared by the processes."""

import torch

from ctaplib.nn.collective import gather_objects
from ctaplib.tasks.base import Task
from ctaplib.train.accumulate import cut
from ctaplib.train.batches import Load
from ctaplib.train.distributed import World
from ctaplib.train.memory import explain
from ctaplib.train.precision import autocast
from ctaplib.train.total import pairs_of


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
    for items in task.valid_plan():
        share = items[world.rank :: world.size]
        for part in cut(share, task.valid_frames(share), max_frames) if share else ():
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


def _evaluate(task: Task, part: list[int], world: World, precision: str, load: Load) -> dict[str, torch.Tensor]:
    try:
        with autocast(world.device, precision):
            return pairs_of(task.evaluate(load("valid", part, 0)))
    except (RuntimeError, MemoryError) as error:
        fewer = "go on with --batch_bins and fewer frames than these take together"
        alone = "take utterances of that length out of the validation set, or take a machine with more memory"
        told = explain(error, task.valid_frames(part), "in the validation", fewer if len(part) > 1 else alone)
        if told is None:
            raise
        raise told from error
