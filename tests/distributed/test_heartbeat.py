"""Processes that fall silent without closing a connection, as where a machine vanishes: a stopped process is one."""

import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from ctaplib.cli.train import _end_alone
from ctaplib.errors import LostPeerError, TrainingError
from ctaplib.runs.state import read_state
from ctaplib.train.distributed import World, join_world, leave_world
from ctaplib.train.heartbeat import Beat, Heartbeat

FORK = multiprocessing.get_context("fork")
PATIENCE_S = 3.0
HERE = socket.gethostname()


def work(rank: int, size: int, port: int, folder: Path, patience_s: float, waits: bool) -> None:
    """Wait within the context for a file, in an exchange with the others (which nothing can interrupt) or in Python."""
    sys.stderr = (folder / f"log{rank}").open("w")
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world = join_world(False)
    with Heartbeat(world, patience_s, lambda error: _end_alone(error, folder, rank)):
        (folder / f"ready{rank}").touch()
        while not (folder / "done").exists():
            time.sleep(0.05)
            if (folder / f"fault{rank}").exists():
                raise ValueError("by hand\nand more")
            if waits:
                world.sum(torch.zeros(1))
        if rank == 0:
            time.sleep(1.5 * patience_s)  # still writes while the others have come to their end
    leave_world()
    os._exit(0)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Run:
    """Processes of one run."""

    def __init__(self, folder: Path, size: int, patience_s: float = PATIENCE_S, waits: bool = False) -> None:
        self.folder = folder
        port = free_port()
        words = [(rank, size, port, folder, patience_s, waits) for rank in range(size)]
        self.processes: list[BaseProcess] = [FORK.Process(target=work, args=each) for each in words]
        for process in self.processes:
            process.start()
        deadline = time.monotonic() + 60
        while not all((folder / f"ready{rank}").exists() for rank in range(size)):
            assert time.monotonic() < deadline and all(process.is_alive() for process in self.processes), self.said()
            time.sleep(0.05)

    def send(self, number: int, *ranks: int) -> None:
        for rank in ranks:
            os.kill(self.processes[rank].pid or 0, number)

    def statuses(self, limit_s: float, *ranks: int) -> list[int | None]:
        deadline = time.monotonic() + limit_s
        for rank in ranks:
            self.processes[rank].join(max(0.0, deadline - time.monotonic()))
        return [self.processes[rank].exitcode for rank in ranks]

    def said(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("log*"))]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for process in (process for run in started for process in run.processes):
        process.kill()
        process.join()


@pytest.mark.parametrize(
    ("stopped", "waits"),
    [(0, True), pytest.param(2, True, marks=pytest.mark.slow), pytest.param(2, False, marks=pytest.mark.slow)],
)
def test_a_process_that_falls_silent_ends_the_others(stopped: int, waits: bool, runs: list[Run], tmp_path: Path) -> None:
    run = Run(tmp_path, 3, waits=waits)
    runs.append(run)
    time.sleep(1.0)
    run.send(signal.SIGSTOP, stopped)
    others = [rank for rank in range(3) if rank != stopped]
    assert run.statuses(PATIENCE_S + 8, *others) == [1, 1]
    for rank in others:
        assert f"error: process {stopped} on {HERE} has not been heard of for 3 s" in run.said()[rank]
    (tmp_path / "run_state.json").write_text(json.dumps({"state": "running", "host": HERE, "pid": 1}))
    stands = read_state(tmp_path)
    assert stands.state == "failed" and f"process {stopped} on {HERE} has not been heard of" in stands.note


@pytest.mark.parametrize("faulty", [0, 1])
def test_the_error_of_a_process_ends_the_others_with_it(faulty: int, runs: list[Run], tmp_path: Path) -> None:
    run = Run(tmp_path, 3, patience_s=6.0)
    runs.append(run)
    (tmp_path / f"fault{faulty}").touch()
    others = [rank for rank in range(3) if rank != faulty]
    assert run.statuses(5.5, *others) == [1, 1], run.said()
    for rank in others:
        assert f"error: process {faulty} on {HERE} has ended: ValueError: by hand; to fix it" in run.said()[rank]
        assert "and more" not in run.said()[rank]


def unreached(rank: int, port: int, folder: Path, faulty: int) -> None:
    """Enter where one process gets no store."""
    sys.stderr = (folder / f"log{rank}").open("w")
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world, store = join_world(False), torch.distributed.TCPStore

    def no_store(*words: object, **named: object) -> object:
        raise torch.distributed.DistNetworkError("by hand")

    torch.distributed.TCPStore = no_store if rank == faulty else store  # type: ignore[misc,assignment]
    try:
        with Heartbeat(world, PATIENCE_S, lambda error: _end_alone(error, folder, rank)):
            os._exit(0)
    except TrainingError as error:
        (folder / f"told{rank}").write_text(str(error))
        os._exit(3)


@pytest.mark.parametrize(("faulty", "told"), [(0, "process 0 cannot listen"), (2, "process 2 does not reach port")])
def test_a_store_that_one_process_does_not_reach_ends_all(faulty: int, told: str, tmp_path: Path) -> None:
    port = free_port()
    processes = [FORK.Process(target=unreached, args=(rank, port, tmp_path, faulty)) for rank in range(3)]
    for process in processes:
        process.start()
    deadline = time.monotonic() + 20
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    statuses = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    assert statuses == [3, 3, 3]
    assert all(path.read_text().startswith(told) for path in (tmp_path / f"told{rank}" for rank in range(3)))


def test_a_connection_that_is_gone_is_not_used_again() -> None:
    class Gone:
        asked = 0

        def set(self, key: str, value: str) -> None:
            self.asked += 1
            raise torch.distributed.DistNetworkError("sendBytes failed")

    beats = Heartbeat(World(1, 2, torch.device("cpu")), 0.06, print)
    beats._store = Gone()  # type: ignore[assignment]
    thread = threading.Thread(target=beats._beat, daemon=True)
    thread.start()
    thread.join(1.0)
    beats._ended.set()
    assert not thread.is_alive() and beats._store.asked == 1  # type: ignore[attr-defined]


def test_a_run_that_is_suspended_as_a_whole_goes_on(runs: list[Run], tmp_path: Path) -> None:
    run = Run(tmp_path, 3, waits=True)
    runs.append(run)
    time.sleep(1.0)
    for rank in range(3):
        run.send(signal.SIGSTOP, rank)
    time.sleep(2.5 * PATIENCE_S)
    for rank in range(3):  # not at once, either
        run.send(signal.SIGCONT, rank)
        time.sleep(0.4)
    time.sleep(1.5 * PATIENCE_S)
    assert all(process.is_alive() for process in run.processes), run.said()


@pytest.mark.slow
def test_a_short_silence_and_a_late_end_are_nothing(runs: list[Run], tmp_path: Path) -> None:
    run = Run(tmp_path, 2)
    runs.append(run)
    run.send(signal.SIGSTOP, 1)
    time.sleep(0.5 * PATIENCE_S)
    run.send(signal.SIGCONT, 1)
    time.sleep(1.5 * PATIENCE_S)
    (tmp_path / "done").touch()
    assert run.statuses(30, 0, 1) == [0, 0], run.said()


@pytest.mark.slow
def test_without_patience_nobody_is_waited_for(runs: list[Run], tmp_path: Path) -> None:
    run = Run(tmp_path, 2, patience_s=0.0)
    runs.append(run)
    run.send(signal.SIGSTOP, 1)
    time.sleep(1.5 * PATIENCE_S)
    assert run.processes[0].is_alive()
    run.send(signal.SIGCONT, 1)
    (tmp_path / "done").touch()
    assert run.statuses(30, 0, 1) == [0, 0], run.said()


def test_it_is_an_error_of_a_lost_process() -> None:
    beats = Heartbeat(World(0, 3, torch.device("cpu")), 30.0, print)
    beats._beats = {1: Beat(7, "a.b", 12), 2: Beat(9, "node2", 13)}
    told = beats._silent_error([1, 2])
    assert isinstance(told, LostPeerError) and "process 1 on a.b, process 2 on node2 have not been heard of for 30 s" in str(told)
    assert beats.every_s == 5.0
