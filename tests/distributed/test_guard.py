"""A value that is not finite on one of two processes: both leave the step out, keep their own part, and name the process."""

import json
import logging
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_configs import small_task

from ctaplib.checkpoint import load_checkpoint
from ctaplib.losses.terms import Term
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer


def work(place: int, port: int, tiny: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=place, world_size=2)
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ctaplib.train").addHandler(handler)
    world = World(place, 2, torch.device("cpu"))
    for name, breaks in (("loaded", break_batch), ("made", break_terms), ("micro", break_batch)):
        words = ("train.max_steps=4", "train.valid_every_steps=4")
        task = small_task("vqctap", Path(tiny), Path(folder) / name, *words)
        if place == 1:
            breaks(task)
        assert Trainer(task, world, micro_frames=300 if name == "micro" else 0).fit()
    (Path(folder) / f"log{place}").write_text("\n".join(lines))
    dist.destroy_process_group()


def break_batch(task: Task) -> None:
    plain = task.load

    def load(split, items, step: int):
        batch = plain(split, items, step)
        if split == "train" and step == 3:
            batch.mel[0, 5, 2] = float("nan")
        return batch

    task.load = load  # type: ignore[method-assign]


def break_terms(task: Task) -> None:
    plain = task.losses

    def losses(batch, step: int, optimizer: str) -> dict[str, Term]:
        terms = plain(batch, step, optimizer)
        return terms | {"mel": Term(terms["mel"].total * float("inf"), terms["mel"].count)} if step == 3 else terms

    task.losses = losses  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def found(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, args=(port, str(tiny), str(folder)), nprocs=2)
    return folder


def kept(folder: Path, name: str, rank: int) -> dict:
    path = folder / name / "bad_batches" / f"step3_model_rank{rank}.json"
    told = json.loads(path.read_text())
    assert load_checkpoint(path.with_suffix(".pt"))["not_finite"] == told["not_finite"]
    assert told["rank"] == rank
    return told


@pytest.mark.parametrize("name", ["loaded", "micro"])
def test_what_was_loaded_is_named(name: str, found: Path) -> None:
    one, other = kept(found, name, 0), kept(found, name, 1)
    firsts = [ids[0] for ids in other["ids"]]
    assert one["not_finite"] == [] and other["not_finite"] == firsts
    assert one["terms"]["mel"] != "nan" and other["terms"]["mel"] == "nan"
    assert one["terms_of_all"]["mel"] == other["terms_of_all"]["mel"] == "nan"
    for each in (one, other):
        assert each["where"].startswith("process 1 of 2: ")
        assert each["where"].endswith(f"loaded as not finite: {', '.join(firsts)}")


def test_a_term_is_named_where_nothing_was_loaded_so(found: Path) -> None:
    one, other = kept(found, "made", 0), kept(found, "made", 1)
    assert one["where"] == other["where"] == "process 1 of 2: mel not finite"
    assert one["terms"]["mel"] != other["terms"]["mel"] == "inf" and other["not_finite"] == []


@pytest.mark.parametrize("rank", [0, 1])
def test_the_log_names_the_process(rank: int, found: Path) -> None:
    told = [line for line in (found / f"log{rank}").read_text().splitlines() if line.startswith("step 3 is left out")]
    assert len(told) == 3 and all("its gradient is not finite (process 1 of 2: " in line for line in told)
