"""Processes of one training run: who am I, sums over all, gradients over all."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist

from ctaplib.errors import ConfigError


@dataclass(frozen=True)
class World:
    """This process among all."""

    rank: int
    size: int
    device: torch.device
    _buffers: dict[int, torch.Tensor] = field(default_factory=dict, compare=False, repr=False)
    """Memory for gradients on their way, by size; kept from step to step."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Element-wise sum over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def reduce_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes, in one flat transfer.

        A parameter without a gradient here may have one elsewhere; it counts as zero.
        """
        if self.size == 1:
            return
        moved = list(parameters)
        for p in moved:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        size = sum(p.numel() for p in moved)
        if size not in self._buffers:
            self._buffers[size] = torch.empty(size, device=self.device)
        flat = self._buffers[size]
        torch.cat([p.grad.reshape(-1) for p in moved], out=flat)  # type: ignore[union-attr]
        dist.all_reduce(flat)
        start = 0
        for p in moved:
            p.grad.copy_(flat[start : start + p.numel()].view_as(p))  # type: ignore[union-attr]
            start += p.numel()

    def barrier(self) -> None:
        """Wait for all."""
        if self.size > 1:
            dist.barrier()


def join_world(use_gpu: bool) -> World:
    """Join the processes that torchrun started, or be alone.

    Raises:
        ConfigError: a GPU is asked for that is not there.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if size != (wanted := int(os.environ.get("CTAP_WORLD_SIZE", size))):
        raise ConfigError(f"this training has {size} processes", expected=f"{wanted}, as utils/launch.sh was asked for")
    if use_gpu:
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"GPU {local} was asked for, this machine has {torch.cuda.device_count()}",
                fix="lower --ngpu, or train on the CPU with --ngpu 0",
            )
        torch.cuda.set_device(local)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if use_gpu else "gloo", timeout=timedelta(minutes=10))
    return World(rank, size, torch.device("cuda", local) if use_gpu else torch.device("cpu"))


def leave_world() -> None:
    """Take leave of the other processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
