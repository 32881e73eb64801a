"""Sums of gradients over the ranks, in buckets that are sent while the backward pass goes on.

Source: Li et al. 2020, PyTorch Distributed (arXiv 2006.15704), section 3.2.3: buckets in the reverse order of the parameters.
DistributedDataParallel wraps one `forward`; here tasks call the parts of a model, and terms come and go with the schedule: a
parameter without a gradient on this rank may have one on another. It counts as zero, on one rank too, so that the optimizer does
the same for every number of ranks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from ctaplib.train.distributed import World

BUCKET_BYTES = 8 * 2**20  # about how much is sent at once


class Reducer:
    """Sum over the ranks of the gradients of one optimizer's parameters, which are the same on all ranks."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], world: World) -> None:
        self.parameters, self._buckets = list(parameters), list[_Bucket]()
        self._open, self._sent = False, 0
        held: list[torch.nn.Parameter] = []
        for parameter in reversed(self.parameters) if world.size > 1 else ():
            if held and (parameter.dtype != held[0].dtype or sum(p.nbytes for p in held) >= BUCKET_BYTES):
                self._buckets.append(_Bucket(held))
                held = []
            held.append(parameter)
        if held:
            self._buckets.append(_Bucket(held))
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                parameter.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self._ready(bucket))

    def clear(self) -> None:
        """Clear the gradients, before the first backward pass of an update."""
        for parameter in self.parameters:
            parameter.grad = None
        for bucket in self._buckets:
            bucket.clear()

    @contextmanager
    def summing(self) -> Iterator[None]:
        """Sum over the ranks: goes around the last backward pass of an update, and leaves a gradient for every parameter."""
        for bucket in self._buckets:
            bucket.missing = len(bucket.parameters)
        self._open, self._sent = True, 0
        try:
            yield
        finally:
            self._open = False
        self._send(len(self._buckets))
        for bucket in self._buckets:
            bucket.wait()
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _ready(self, bucket: "_Bucket") -> None:
        if not self._open:
            return
        bucket.missing -= 1
        full = self._sent
        while full < len(self._buckets) and self._buckets[full].missing == 0:
            full += 1
        self._send(full)

    def _send(self, until: int) -> None:
        """Send buckets in their order, which is the same on all ranks."""
        for bucket in self._buckets[self._sent : until]:
            bucket.send()
        self._sent = max(self._sent, until)


class _Bucket:
    """Neighbouring parameters whose gradients are views of one tensor."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self.parameters, self.missing = parameters, 0
        self._flat = parameters[0].new_empty(sum(p.numel() for p in parameters)).detach()
        self._work: dist.Work | None = None

    def clear(self) -> None:
        """Give every parameter a gradient of zero, to which the backward passes add."""
        self._flat.zero_()
        parts = self._flat.split([p.numel() for p in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def send(self) -> None:
        """Start the sum."""
        self._work = dist.all_reduce(self._flat, async_op=True)

    def wait(self) -> None:
        """Wait for the sum."""
        if self._work is not None:
            self._work.wait()
