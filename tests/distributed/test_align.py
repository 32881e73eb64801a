"""The aligner on one, two and four processes, and after processes were killed: the same labels, losses and weights."""

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from processes import torchrun
from small_configs import small_task

from ctaplib.align import parallel
from ctaplib.align.aligner import Aligner
from ctaplib.checkpoint import weights_digest
from ctaplib.collective import sum_over_ranks
from ctaplib.recipe.processes import RUN_ID, end_run, members
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

LAYOUTS = (1, 2, 4)
FIFTY = ("network={width: 16, passes: [2, 2, 1.4]}", "train.log_every_steps=1", "train.valid_every_steps=25", "batch.batch_s=12")
ONE = ("network={width: 16, passes: [0.01]}", "batch.batch_s=12")


def gradient(task, world: World) -> torch.Tensor:
    """Of the mean loss of the first global batch, summed over the ranks."""
    items = task.train_plan(0)[0]
    task.before_training(0)
    term = task.losses(task.load("train", items[world.rank :: world.size], 1), 1, "model")["frames"]
    count = sum_over_ranks(torch.as_tensor(term.count, dtype=torch.float64))
    (term.total / count).backward()
    grads = torch.cat([sum_over_ranks(p.grad).flatten() for p in task.model.parameters()])
    task.model.zero_grad(set_to_none=True)
    return grads


def work(place: int, ports: list[int], tiny: str, folder: str) -> None:
    torch.set_num_threads(1)
    parallel.SHARD = 4
    for size, port in zip(LAYOUTS, ports):
        if place >= size:
            continue
        if size > 1:
            dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=place, world_size=size)
        world, found = World(place, size, torch.device("cpu")), {}
        for kind, words in ((torch.float64, FIFTY), (torch.float32, ONE)):
            torch.set_default_dtype(kind)
            exp = Path(folder) / f"{size}_{str(kind)[-2:]}"
            task = small_task("align", Path(tiny), exp, *words)
            task.jobs = 2 if size == 2 else 1
            found[f"gradient {kind}"] = gradient(task, world)
            Trainer(task, world).fit()
            found[f"weights {kind}"] = torch.cat([p.detach().flatten() for p in task.model.parameters()])
            found[f"labels {kind}"] = task.targets
        torch.save(found, Path(folder) / f"{size}_{place}.pt")
        if size > 1:
            dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    ports = []
    for _ in LAYOUTS:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    mp.spawn(work, args=(ports, str(tiny), str(folder)), nprocs=max(LAYOUTS))
    return folder


def far(mine: torch.Tensor, want: torch.Tensor) -> float:
    return float((mine.double() - want.double()).norm() / want.double().norm())


@pytest.mark.parametrize(("size", "place"), [(size, place) for size in (2, 4) for place in range(size)])
def test_processes_train_what_one_trains(found: Path, size: int, place: int) -> None:
    want = torch.load(found / "1_0.pt", weights_only=True)
    mine = torch.load(found / f"{size}_{place}.pt", weights_only=True)
    assert torch.equal(mine["labels torch.float64"], want["labels torch.float64"])
    assert far(mine["gradient torch.float64"], want["gradient torch.float64"]) <= 1e-9
    assert far(mine["weights torch.float64"], want["weights torch.float64"]) <= 1e-6
    assert far(mine["weights torch.float32"], want["weights torch.float32"]) <= 1e-5


@pytest.mark.parametrize("size", [2, 4])
def test_losses_of_fifty_steps_are_those_of_one_process(found: Path, size: int) -> None:
    logs = []
    for count in (1, size):
        rows = [json.loads(line) for line in (found / f"{count}_64" / "metrics.jsonl").read_text().splitlines()]
        logs.append([(row["split"], row["step"], row["loss"]) for row in rows if row["split"] != "epoch"])
    assert [row[:2] for row in logs[0]] == [row[:2] for row in logs[1]]
    assert len([row for row in logs[0] if row[0] == "train"]) >= 50
    assert all(abs(a[2] - b[2]) <= 1e-6 * max(1.0, abs(a[2])) for a, b in zip(*logs))


# ---- processes started by torchrun -------------------------------------------------------------------------------


WORDS = ("network={width: 64, passes: [4, 3, 3]}", "batch.batch_s=12", "train.precision=fp32")
OFTEN = ("train.save_every_steps=7", "train.log_every_steps=1", "train.valid_every_steps=40", "min_score=-100")


def start(tiny: Path, exp: Path, run_id: str, processes: int = 2) -> subprocess.Popen[bytes]:
    command = torchrun(processes, exp / "logs")
    command += ["-m", "ctaplib.cli.main", "train", "--task", "align", "--exp", str(exp), "--data", "data", "--dump", "dump"]
    command += [word for setting in (*WORDS, *OFTEN) for word in ("--set", setting)]
    exp.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "2", RUN_ID: run_id}
    with open(exp / "output", "ab") as out:
        return subprocess.Popen(command, cwd=tiny, env=environment, stdout=out, stderr=out)


def steps_done(exp: Path) -> int:
    path = exp / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


def ranks_of(launcher: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["a rank", "everything", "SIGTERM"])
def test_a_killed_run_ends_and_goes_on_bit_for_bit(way: str, tiny: Path, tmp_path: Path) -> None:
    run_id = uuid.uuid4().hex
    assert start(tiny, tmp_path / "whole", run_id).wait() == 0
    kills, exp = [0, 20, 41, 75], tmp_path / "killed"
    for at in kills:
        run = start(tiny, exp, run_id)
        while not ((exp / "train.log").exists() and steps_done(exp) >= at):
            assert run.poll() is None, (exp / "output").read_text()[-3000:]
            time.sleep(0.01)
        if way == "everything":
            end_run(run_id)
        elif way == "a rank":
            os.kill(ranks_of(run.pid)[at % 2], signal.SIGKILL)
        else:
            run.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert run.wait(timeout=60) != 0
        assert time.monotonic() - began < 60
        deadline = time.monotonic() + 10
        while members(run_id) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not members(run_id), "processes are left over"
    assert start(tiny, exp, run_id).wait() == 0
    mine, theirs = (Aligner.load(folder) for folder in (exp, tmp_path / "whole"))
    assert weights_digest(mine.network) == weights_digest(theirs.network)
    assert steps_done(exp) == steps_done(tmp_path / "whole") > max(kills)
