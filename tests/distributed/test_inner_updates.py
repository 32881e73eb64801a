"""Inner updates with a shared forward pass on two processes, in one pass or in micro-batches: the weights of one process."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from inner_task import InnerConfig, InnerTask

from ctaplib.checkpoint import load_checkpoint
from ctaplib.tasks.base import TaskPaths
from ctaplib.train.distributed import join_world, leave_world
from ctaplib.train.trainer import Trainer

FORK = multiprocessing.get_context("fork")
TRAIN = {"max_steps": 8, "valid_every_steps": 4, "save_every_steps": 3, "precision": "fp64"}


def work(rank: int, size: int, port: int, exp: Path, micro_frames: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    task = InnerTask(InnerConfig.model_validate({"train": TRAIN}), TaskPaths(exp, exp, exp, "train", "dev"))
    assert Trainer(task, join_world(False), micro_frames=micro_frames).fit()
    leave_world()
    os._exit(0)


def weights(exp: Path, size: int, micro_frames: int) -> dict[str, torch.Tensor]:
    """Train in so many processes, and return the weights."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [FORK.Process(target=work, args=(rank, size, port, exp, micro_frames)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * size
    return load_checkpoint(exp / "checkpoints" / "last.pt")["model"]


@pytest.mark.parametrize("micro_frames", [0, 100])
def test_two_processes_make_the_updates_of_one(micro_frames: int, tmp_path: Path) -> None:
    one, two = weights(tmp_path / "one", 1, 0), weights(tmp_path / "two", 2, micro_frames)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-11, atol=1e-12)
