"""Metrics of the validation set, shared by the processes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ctaplib.nn.collective import gather_objects
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.precision import autocast
from ctaplib.train.total import pairs_of


@torch.no_grad()
def measure(task: Task, world: World, precision: str, load: Callable[[str, Sequence[int], int], Any]) -> dict[str, float]:
    """Mean of every metric over the items of all processes, by name.

    Args:
        task: Its model is in evaluation mode.
        world: The processes; each takes its share of every batch.
        precision: Of the products.
        load: Makes a batch.
    """
    sums: dict[str, torch.Tensor] = {}
    for items in task.valid_plan():
        share = items[world.rank :: world.size]
        if not share:
            continue
        torch.manual_seed(task.config.seed)
        with autocast(world.device, precision):
            terms = task.evaluate(load("valid", share, 0))
        for name, pair in pairs_of(terms).items():
            sums[name] = sums.get(name, torch.zeros(2, dtype=torch.float64)) + pair
    names = sorted({n for found in gather_objects(sorted(sums)) for n in found})  # a process may have had no item
    if world.size > 1 and names:
        none = torch.zeros(2, dtype=torch.float64)
        total = world.sum(torch.stack([sums.get(n, none) for n in names]).to(world.device)).cpu()
        sums = dict(zip(names, total))
    return {n: float(sums[n][0] / sums[n][1].clamp_min(1)) for n in names}
