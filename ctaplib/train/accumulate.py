"""The gradient of a global batch, whatever its layout: on one process or many, in one forward pass or several."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from ctaplib.losses.joint import JointRows
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.reduce import pairs_of, sum_pairs, values_of, weigh
from ctaplib.train.reducer import Reducer


def split_share(task: Task, items: Sequence[int], max_frames: int) -> list[list[int]]:
    """Cut a process's share of a batch into micro-batches of at most `max_frames` padded frames; 0 for no limit.

    An item that is longer than the limit makes a micro-batch of its own.
    """
    return cut(items, task.item_frames(items), max_frames)


def cut(items: Sequence[int], sizes: Sequence[int], max_frames: int) -> list[list[int]]:
    """Cut items of these sizes into parts of at most `max_frames` frames, padding included; see `split_share`."""
    if max_frames <= 0:
        return [list(items)]
    parts: list[list[int]] = []
    longest = 0
    for item, size in zip(items, sizes, strict=True):
        longest = max(longest, size)
        if parts and longest * (len(parts[-1]) + 1) <= max_frames:
            parts[-1].append(item)
        else:
            parts.append([item])
            longest = size
    return parts


class Accumulator:
    """Runs the forward and backward passes of one turn.

    Args:
        task: What is trained.
        world: The processes.
        autocast: Context of the forward passes.

    Attributes:
        own: Sum and count of every term on this process alone in the last turn, of each micro-batch.
    """

    def __init__(self, task: Task, world: World, autocast: Callable[[], AbstractContextManager[object]]) -> None:
        self.task, self.world, self.autocast = task, world, autocast
        self.own: list[dict[str, torch.Tensor]] = []

    def run(
        self, micros: Sequence[Any], step: int, player: str, seed: int, several: bool, reducer: Reducer, scale: float = 1.0
    ) -> dict[str, float]:
        """Leave the summed gradients of the global batch in the parameters.

        Args:
            micros: This process's micro-batches.
            step: Number of the step.
            player: Whose turn.
            seed: Of what is drawn inside the model.
            several: Whether any process has more than one micro-batch; the same on all of them.
            reducer: Sums gradients over the processes.
            scale: Factor on the gradients.

        Returns:
            The global value of every term and of the loss.
        """
        task, weights = self.task, self.task.weights(step, player)
        if not several:
            with self.autocast():
                terms = task.losses(micros[0], step, player)
            self.own = [pairs_of(terms)]
            pairs = sum_pairs(self.own, self.world)
            loss, values = weigh(terms, weights, pairs), values_of(pairs, weights)
            with reducer.summing():
                (loss * scale if scale != 1.0 else loss).backward()
            return values
        rows, counted = JointRows(), []
        with torch.no_grad():
            for number, batch in enumerate(micros):
                seed_draws((seed + (1 + number) * 2**40 + zlib.crc32(player.encode())) % 2**63, self.world.device)
                with rows.micro_batch(), self.autocast():
                    counted.append(pairs_of(task.losses(batch, step, player)))
        counts = sum_pairs(counted, self.world)
        rows.solve()
        found = []
        for number, batch in enumerate(micros):
            seed_draws((seed + (1 + number) * 2**40 + zlib.crc32(player.encode())) % 2**63, self.world.device)
            with rows.micro_batch(), self.autocast():
                terms = task.losses(batch, step, player)
            found.append(pairs_of(terms))
            loss = weigh(terms, weights, counts) * scale
            if number + 1 < len(micros):
                loss.backward()
            else:
                with reducer.summing():
                    loss.backward()
        self.own = found
        return values_of(sum_pairs(found, self.world), weights)


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed what is drawn on the CPU and on a device; `torch.manual_seed` looks at every kind of device, a millisecond a step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
