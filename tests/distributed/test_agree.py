"""Processes that begin from different states, or are asked to stop at different moments."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from toy_task import ToyTask

from ctaplib.checkpoint import load_checkpoint
from ctaplib.errors import TrainingError
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig, TrainConfig
from ctaplib.train.distributed import World, join_world, leave_world
from ctaplib.train.trainer import Trainer

FORK = multiprocessing.get_context("fork")
STEPS = 9


def fit(world: World, exp: Path, stop_at: int | None = None) -> bool:
    train = TrainConfig(max_steps=STEPS, valid_every_steps=3, save_every_steps=1, log_every_steps=3, precision="fp32")
    config = TaskConfig(train=train, optim=OptimConfig(warmup_steps=2))
    trainer = Trainer(ToyTask(config, TaskPaths(exp, exp, exp, "train", "dev")), world)
    plain = trainer.steps.take

    def taking(share, micros):  # type: ignore[no-untyped-def]
        if share.step == stop_at:
            trainer.stop.ask()
        return plain(share, micros)

    trainer.steps.take = taking  # type: ignore[method-assign]
    return trainer.fit()


def work(rank: int, port: int, folders: tuple[Path, Path], stops: tuple[int | None, int | None]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    try:
        said = "finished" if fit(join_world(False), folders[rank], stops[rank]) else "stopped"
        leave_world()
    except TrainingError as error:
        said = str(error)
    (folders[0].parent / f"said{rank}").write_text(said)
    os._exit(0)


def run(folders: tuple[Path, Path], stops: tuple[int | None, int | None] = (None, None)) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [FORK.Process(target=work, args=(rank, port, folders, stops)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    hanging = [process for process in processes if process.is_alive()]
    for process in hanging:
        process.kill()
    assert not hanging
    return [(folders[0].parent / f"said{rank}").read_text() for rank in range(2)]


@pytest.mark.parametrize("stop_at", [3, 4, STEPS - 1])
def test_a_process_that_is_asked_to_stop_stops_all_at_the_same_step(tmp_path: Path, stop_at: int) -> None:
    exp, whole = tmp_path / "exp", tmp_path / "whole"
    assert run((exp, exp), (None, stop_at)) == ["stopped", "stopped"]
    saved = load_checkpoint(exp / "checkpoints" / "last.pt")
    assert saved["position"]["step"] == stop_at
    assert saved["position"]["due"] == ("validation" if stop_at % 3 == 0 else "")
    assert run((exp, exp)) == run((whole, whole)) == ["finished", "finished"]
    for name in ("best", "last"):
        ours, undisturbed = (load_checkpoint(folder / "checkpoints" / f"{name}.pt") for folder in (exp, whole))
        assert all(torch.equal(ours["model"][key], undisturbed["model"][key]) for key in ours["model"])
    assert ours["best"] == undisturbed["best"] and not ours["position"]["due"]


def test_processes_that_see_different_folders_do_not_begin(tmp_path: Path) -> None:
    assert run((tmp_path / "one", tmp_path / "one"), (6, None)) == ["stopped", "stopped"]
    for said in run((tmp_path / "one", tmp_path / "two")):
        assert "the processes begin from different states: step to go on from: 6 on process 0, 0 on process 1; weights: " in said
        assert "let every machine see the same --exp" in said
    for said in run((tmp_path / "three", tmp_path / "four")):  # nothing there yet: all else is alike
        assert "the processes begin from different states: folders and sets: " in said and "/three train dev" in said
