"""Sums of gradients over the processes, sent in buckets while the backward pass goes on.

Source: Li et al. 2020, PyTorch Distributed (arXiv 2006.15704), section 3.2.3: buckets in the reverse order of the parameters.
Ours serves models whose parts are called one by one and whose terms come and go with the schedule: a parameter without a
gradient here may have one elsewhere; it counts as zero, on one process too: the optimiser must do the same for every number.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from ctaplib.train.distributed import World

BUCKET_BYTES = 8 * 2**20


class Reducer:
    """Replaces the gradient of every parameter by its sum over the processes; where there is none, by zeros.

    Args:
        parameters: Those of one player; all processes hold the same.
        world: The processes.
        bucket_bytes: About how much is sent at once.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], world: World, bucket_bytes: int = BUCKET_BYTES) -> None:
        self.parameters, self.world = list(parameters), world
        self._buckets: list[_Bucket] = []
        self._open, self._sent = False, 0
        if world.size == 1:
            return
        held: list[torch.nn.Parameter] = []
        for parameter in reversed(self.parameters):
            if held and (parameter.dtype != held[0].dtype or _bytes(held) >= bucket_bytes):
                self._buckets.append(_Bucket(held))
                held = []
            held.append(parameter)
        if held:
            self._buckets.append(_Bucket(held))
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                parameter.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self._ready(bucket))

    @contextmanager
    def summing(self) -> Iterator[None]:
        """Around the last backward pass of a turn: when it ends, every gradient is the sum over the processes."""
        if self.world.size == 1:
            yield
            for parameter in self.parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            return
        for bucket in self._buckets:
            bucket.missing = len(bucket.parameters)
        self._open, self._sent = True, 0
        try:
            yield
        finally:
            self._open = False
        self._send(len(self._buckets))
        for bucket in self._buckets:
            bucket.take()

    def _ready(self, bucket: "_Bucket") -> None:
        if not self._open:
            return
        bucket.missing -= 1
        full = self._sent
        while full < len(self._buckets) and self._buckets[full].missing == 0:
            full += 1
        self._send(full)

    def _send(self, until: int) -> None:
        """Send buckets in their order, which is the same on every process."""
        for bucket in self._buckets[self._sent : until]:
            bucket.send()
        self._sent = max(self._sent, until)


class _Bucket:
    """Neighbouring parameters and the memory that their gradients travel in."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self.parameters, self.missing = parameters, 0
        first = parameters[0]
        self._flat = torch.empty(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device)
        parts = self._flat.split([p.numel() for p in parameters])
        self._views = [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]
        self._work: dist.Work | None = None

    @torch.no_grad()
    def send(self) -> None:
        """Copy the gradients in and start the sum."""
        given = [(v, p.grad) for v, p in zip(self._views, self.parameters, strict=True) if p.grad is not None]
        if len(given) < len(self.parameters):
            self._flat.zero_()
        if given:
            torch._foreach_copy_([v for v, _ in given], [g for _, g in given])
        self._work = dist.all_reduce(self._flat, async_op=True)

    def take(self) -> None:
        """Wait for the sum and make it the parameters' gradient."""
        if self._work is not None:
            self._work.wait()
        for view, parameter in zip(self._views, self.parameters, strict=True):
            parameter.grad = view


def _bytes(parameters: Sequence[torch.nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)
