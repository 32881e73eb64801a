"""The ranks of a training run: joining, sums, and the error where one is lost."""

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from ctaplib.errors import ConfigError, LostPeerError


@dataclass(frozen=True)
class World:
    """This rank among all."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this rank writes the files."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the ranks, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            dist.barrier()


def join_world(use_gpu: bool) -> World:
    """Join the ranks that torchrun started, or be alone.

    Raises:
        ConfigError: a GPU is asked for that is not there.
    """
    size, rank, local = (int(os.environ.get(name, other)) for name, other in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0)))
    if size != (expected := int(os.environ.get("CTAP_WORLD_SIZE", size))):
        raise ConfigError(f"this training has {size} processes", expected=f"{expected}, as utils/launch.sh was asked for")
    if use_gpu:
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"GPU {local} was asked for, this machine has {torch.cuda.device_count()}",
                fix="lower --ngpu, or train on the CPU with --ngpu 0 (ctap train itself: without --gpu)",
            )
        torch.cuda.set_device(local)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if use_gpu else "gloo", timeout=timedelta(minutes=10))
    return World(rank, size, torch.device("cuda", local) if use_gpu else torch.device("cpu"))


def lost_peer(error: RuntimeError, rank: int) -> LostPeerError | None:
    """Return the error to raise where another one means that a rank is gone; None for any other."""
    words = (
        "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting", "ncclRemoteError",
        "collective operation timeout",
    )  # fmt: skip
    text = str(error)
    if not any(word in text for word in words):
        return None
    reason = text.splitlines()[0].rpartition(".cc:")[2].partition("] ")[2] or text.splitlines()[0]
    return LostPeerError(
        f"process {rank} lost another process of this run ({reason.partition('. This is typically')[0]})",
        fix="the cause is the error of that process; the same command goes on from the last checkpoint",
    )


def leave_world() -> None:
    """Leave the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
