"""Gradients of a global batch, whatever its layout: on one rank or many, in one forward pass or in micro-batches.

A term is a sum over items; it is divided once, by the number of items of the whole global batch:

    loss = sum_i w_i / (sum_b n_ib) * sum_b total_ib,      b over all micro-batches of all ranks.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from ctaplib.errors import CtapError
from ctaplib.losses.joint import JointRows
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import repeating
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.reducer import Reducer

Autocast = Callable[[], AbstractContextManager[object]]


def cut(items: Sequence[int], sizes: Sequence[int], max_frames: int) -> list[list[int]]:
    """Cut items of these sizes into micro-batches of at most `max_frames` frames, padding included; 0 for no limit.

    An item that is longer than the limit makes a micro-batch of its own.
    """
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
        autocast: Context of the forward passes.
        micros: Micro-batches of this rank.
        seed: Seed of what is drawn inside the model. In one pass, the first update of an optimizer draws what comes after
            `seed_draws(seed)`, by which the caller seeds a step.
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
        """Make the passes of an update: leave the gradients of the global batch in the parameters.

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
        """Compute the terms of a micro-batch. Recomputes the shared pass: keeping all takes a full batch's memory."""
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


def pairs_of(terms: Mapping[str, Term]) -> dict[str, torch.Tensor]:
    """Return sum and count of every term, (2,) float64 without gradient, on the term's device: nothing waits for a GPU."""
    return {
        n: torch.stack([t.total.detach().double(), torch.as_tensor(t.count, dtype=torch.float64).to(t.total.device)])
        for n, t in terms.items()
    }


def sum_pairs(parts: Sequence[Mapping[str, torch.Tensor]], world: World) -> dict[str, torch.Tensor]:
    """Sum over all micro-batches of all ranks."""
    names = sorted(parts[0])
    total = torch.stack([torch.stack([part[n].to(world.device) for n in names]) for part in parts]).sum(0)
    return dict(zip(names, world.sum(total).cpu()))


def weigh(terms: Mapping[str, Term], weights: Mapping[str, float], pairs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return this micro-batch's part of the loss, divided by the counts of all.

    Raises:
        CtapError: terms and weights do not fit.
    """
    if set(terms) != set(weights):
        raise CtapError(f"terms {sorted(terms)} and weights {sorted(weights)} differ", fix="give every term of the loss a weight")
    counts = {n: float(pairs[n][1].clamp_min(1.0)) for n in terms}
    loss = sum((weights[n] / counts[n]) * terms[n].total for n in sorted(terms) if weights[n] != 0.0)
    if not isinstance(loss, torch.Tensor):
        raise CtapError("all weights are zero", fix="give one term of the loss a weight at this step")
    return loss


def values_of(pairs: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the global mean of every term, and their weighted sum `loss`."""
    values = {n: float(pair[0] / pair[1].clamp_min(1.0)) for n, pair in pairs.items()}
    return values | {"loss": sum(weights[n] * values[n] for n in values)}
