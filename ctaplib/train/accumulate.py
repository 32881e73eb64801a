"""Gradients of a global batch, whatever its layout: on one rank or many, in one forward pass or in micro-batches."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from ctaplib.losses.joint import JointRows
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import repeating
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.reduce import pairs_of, sum_pairs, values_of, weigh
from ctaplib.train.reducer import Reducer

Autocast = Callable[[], AbstractContextManager[object]]


def split_share(task: Task, items: Sequence[int], max_frames: int) -> list[list[int]]:
    """Cut a local batch into micro-batches of at most `max_frames` padded frames; 0 for no limit.

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
    """Forward and backward passes of the updates of one step.

    Args:
        task: The task.
        world: The ranks.
        autocast: Context of the forward passes.
        micros: Micro-batches of this rank.
        step: Number of the step.
        seed: Seed of what is drawn inside the model; what is drawn in the first updates follows `seed_draws(seed)`.
        several: Whether any rank has more than one micro-batch; the same on all of them.

    Attributes:
        own: Sum and count of every term of each micro-batch of this rank, in the last update.
    """

    def __init__(
        self, task: Task, world: World, autocast: Autocast, micros: Sequence[Any], step: int, seed: int = 0, several: bool = False
    ) -> None:
        self.task, self.world, self.autocast = task, world, autocast
        self.micros, self.step, self.seed, self.several = micros, step, seed, several
        self.own: list[dict[str, torch.Tensor]] = []
        self._done: list[str] = []
        self._shared: Any = None

    def run(
        self, optimizer: str, reducer: Reducer, scale: Callable[[torch.Tensor], torch.Tensor] = lambda loss: loss
    ) -> dict[str, float]:
        """Leave the gradients of the global batch, summed over micro-batches and ranks, in the parameters.

        Args:
            optimizer: Whose losses.
            reducer: Sums gradients over the ranks.
            scale: Scales the loss before the backward pass.

        Returns:
            The global value of every term and of the loss.
        """
        weights, number = self.task.weights(self.step, optimizer), self._done.count(optimizer)
        self._done.append(optimizer)
        if not self.several:
            with self.autocast():
                terms = self._single_losses(optimizer, number)
            self.own = [pairs_of(terms)]
            pairs = sum_pairs(self.own, self.world)
            loss, values = weigh(terms, weights, pairs), values_of(pairs, weights)
            with reducer.summing():
                scale(loss).backward()
            return values
        # The counts of the whole batch are needed before the first backward pass, and so are the rows of joint losses: a pass
        # without gradients comes first.
        rows, counted = JointRows(), []
        with torch.no_grad():
            for micro in range(len(self.micros)):
                with rows.micro_batch(), self.autocast():
                    counted.append(pairs_of(self._micro_losses(micro, optimizer, number)))
        counts = sum_pairs(counted, self.world)
        rows.solve()
        self.own = []
        for micro in range(len(self.micros)):
            with rows.micro_batch(), self.autocast():
                terms = self._micro_losses(micro, optimizer, number)
            self.own.append(pairs_of(terms))
            loss = scale(weigh(terms, weights, counts))
            if micro + 1 < len(self.micros):
                loss.backward()
            else:
                with reducer.summing():
                    loss.backward()
        return values_of(sum_pairs(self.own, self.world), weights)

    def _single_losses(self, optimizer: str, number: int) -> dict[str, Term]:
        """Compute the terms of the whole local batch; the shared pass is that of the first update."""
        if len(self._done) == 1:
            self._shared = self.task.shared(self.micros[0], self.step)
        if number:
            self._seed(optimizer, number)
        return self.task.losses(self._shared, self.step, optimizer)

    def _micro_losses(self, micro: int, optimizer: str, number: int) -> dict[str, Term]:
        """Compute the terms of a micro-batch. The shared pass is made again: those of all would take the memory of the whole."""
        self._seed("shared", micro)
        with repeating(len(self._done) > 1):
            shared = self.task.shared(self.micros[micro], self.step)
        self._seed(optimizer, number, micro)
        return self.task.losses(shared, self.step, optimizer)

    def _seed(self, name: str, *numbers: int) -> None:
        """Seed by a name and numbers from 0 up: repeated updates and micro-batches differ, both passes over one are alike."""
        # The low 32 bits must differ: torch's generator of the CPU takes no others.
        words = f"{name} {numbers}" if any(numbers) else name
        seed_draws(self.seed + 2**40 + zlib.crc32(words.encode()), self.world.device)


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed what is drawn on the CPU and on a device; `torch.manual_seed` asks every kind of device, a millisecond a step."""
    torch.default_generator.manual_seed(seed % 2**63)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed % 2**63)
