"""Trials of what fits into memory on two processes: one may run out while the other does not, and both go on alike."""

import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_configs import small_task
from toy_task import ToyTask

from ctaplib.checkpoint import load_checkpoint
from ctaplib.errors import TrainingError
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import TaskConfig, TrainConfig
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

LIMITS = {"one takes half": (8, 2), "one takes one": (1, 8), "one takes none": (8, 0)}
"""Largest pass of each process, in items."""


def work(place: int, port: int, tiny: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=place, world_size=2)
    world, found = World(place, 2, torch.device("cpu")), {}
    for number, (name, limits) in enumerate(LIMITS.items()):
        exp = Path(folder) / str(number)
        options = {"max_steps": 3, "valid_every_steps": 3, "precision": "fp32"}
        task = WideTask(TaskConfig(train=TrainConfig(**options)), TaskPaths(exp, exp, exp, "train", "dev"))
        found[name] = outcome(Trainer(limited(task, limits[place]), world, micro_frames=None))
    exp = Path(folder) / "validation"
    task = ToyTask(TaskConfig(train=TrainConfig(max_steps=3, precision="fp32")), TaskPaths(exp, exp, exp, "train", "dev"))
    if place == 1:
        task.evaluate = runs_out
    found["validation"] = outcome(Trainer(task, world, micro_frames=0))
    vqctap = limited(small_task("vqctap", Path(tiny), Path(folder) / "vqctap", "train.max_steps=1"), (8, 2)[place])
    found["contrast"] = outcome(Trainer(vqctap, world, micro_frames=None))
    torch.save(found, Path(folder) / f"{place}.pt")
    dist.destroy_process_group()


class WideTask(ToyTask):
    """Eight items a batch, so that a process of two has four."""

    def train_plan(self, epoch: int) -> list[list[int]]:
        """Two batches."""
        return [list(range(8)), list(range(8, 16))]


def runs_out(batch):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def limited(task, most: int):
    plain = task.losses

    def losses(batch, step: int, optimizer: str):
        items = len(batch.ids) if hasattr(batch, "ids") else len(batch)
        if items > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return plain(batch, step, optimizer)

    task.losses = losses
    return task


def outcome(trainer: Trainer) -> tuple[int, str]:
    """Frames of a pass, and the error."""
    try:
        trainer.fit()
    except TrainingError as error:
        return -1, str(error)
    return trainer.micro_frames or 0, ""


@pytest.fixture(scope="module")
def found(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("memory")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, args=(port, str(tiny), str(folder)), nprocs=2)
    assert load_checkpoint(folder / "0" / "checkpoints" / "last.pt")["micro_layout"] == [2, "cpu"]
    return [torch.load(folder / f"{place}.pt", weights_only=True) for place in range(2)]


@pytest.mark.parametrize(("name", "frames"), [("one takes half", 200), ("one takes one", 100)])
def test_what_fits_on_one_process_holds_for_both(name: str, frames: int, found: list[dict]) -> None:
    assert [each[name] for each in found] == [(frames, "")] * 2


def test_an_item_that_fits_on_one_process_only_ends_both(found: list[dict]) -> None:
    told = [each["one takes none"][1] for each in found]
    assert all("the longest item, 1.0 s, does not fit into memory" in words for words in told)
    assert "on another process" in told[0] and "CUDA out of memory" in told[1]


def test_a_validation_that_fits_on_one_process_only_ends_both_before_the_first_step(found: list[dict]) -> None:
    one, other = (each["validation"][1] for each in found)
    assert one == other and one.startswith("process 1 of 2: memory ran out in a trial of the validation, before the first step")


def test_a_trial_with_a_contrast_over_processes_may_fail_on_one(found: list[dict]) -> None:
    frames = [each["contrast"] for each in found]
    assert frames[0] == frames[1] and frames[0][0] > 0 and frames[0][1] == ""
