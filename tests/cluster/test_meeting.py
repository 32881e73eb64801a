"""Machines that meet before a training: all come, one never comes, one was started with other options."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ctaplib.cluster.launcher import _share_cores
from ctaplib.cluster.rendezvous import Meeting, is_local
from ctaplib.errors import ConfigError, CtapError, TrainingError

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def meet(meetings: list[Meeting]) -> list[int | CtapError]:
    """What comes of all of them at once."""

    def join(meeting: Meeting) -> int | CtapError:
        try:
            return meeting.join()
        except CtapError as error:
            return error

    with ThreadPoolExecutor(len(meetings)) as pool:
        return list(pool.map(join, meetings))


def test_machines_that_know_their_ranks_keep_them() -> None:
    port, names = free_port(), ("a", "b", "c")
    meetings = [Meeting("127.0.0.1", port, 3, name, "same", rank, names, 10) for rank, name in enumerate(names)]
    assert meet(meetings[::-1]) == [2, 1, 0]


def test_machines_without_ranks_are_counted_off_by_name() -> None:
    port = free_port()
    found = meet([Meeting("localhost", port, 3, name, "same", timeout_s=10) for name in ("one", "three", "two")])
    assert sorted(found) == [0, 1, 2]


def test_a_machine_that_never_comes_is_named_to_all() -> None:
    port, names = free_port(), ("a", "b", "c")
    started = time.monotonic()
    found = meet([Meeting("127.0.0.1", port, 3, names[rank], "same", rank, names, 1.5) for rank in (0, 2)])
    assert time.monotonic() - started < 10
    for error in found:
        assert isinstance(error, TrainingError)
        assert "2 of 3 machines came within 1.5 s (a, c); missing: b" in str(error)
        assert "--join_timeout" in str(error)


def test_a_first_machine_that_never_comes_is_named() -> None:
    with pytest.raises(TrainingError, match=r"b waited 1 s for a, but port \d+ of it does not answer"):
        Meeting("127.0.0.1", free_port(), 2, "b", "same", 1, ("a", "b"), 1).join()


def test_machines_with_other_options_do_not_train_together() -> None:
    port, names = free_port(), ("a", "b")
    found = meet([Meeting("127.0.0.1", port, 2, name, f"options {rank}", rank, names, 5) for rank, name in enumerate(names)])
    assert isinstance(found[0], ConfigError) and "b was started with other options than a" in str(found[0])
    assert "b was started with other options than a" in str(found[1])


def test_a_stranger_at_the_port_is_no_machine() -> None:
    port, names = free_port(), ("a", "b")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Meeting("127.0.0.1", port, 2, "a", "same", 0, names, 10).join)
        time.sleep(0.3)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert Meeting("127.0.0.1", port, 2, "b", "same", 1, names, 10).join() == 1
        assert first.result() == 0


def test_names_of_machines() -> None:
    assert is_local("localhost") and is_local("127.0.0.1")
    assert not is_local("192.0.2.1")
    with pytest.raises(ConfigError, match="is not known here"):
        is_local("no-such-machine.invalid")


def launch(*options: str, words: tuple[str, ...] = ("--task", "asr")) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [ROOT / "utils/launch.sh", *options, "--", *words], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )


def test_launch_without_slurm_says_who_is_missing() -> None:
    endpoint = f"localhost:{free_port()}"
    done = launch("--num_nodes", "2", "--rdzv_endpoint", endpoint, "--join_timeout", "1")
    assert done.returncode == 1
    assert "error: 1 of 2 machines came within 1 s" in done.stderr
    assert f"missing: 1 more to start with --rdzv_endpoint {endpoint}" in done.stderr


def test_launch_of_several_machines_needs_an_endpoint() -> None:
    done = launch("--num_nodes", "2")
    assert done.returncode == 1 and "needs --rdzv_endpoint HOST:PORT" in done.stderr
    done = launch("--num_nodes", "2", "--rdzv_endpoint", "here")
    assert done.returncode == 1 and "expected HOST:PORT" in done.stderr


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(processes: int, **env: str) -> str:
        for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        _share_cores(processes)
        return os.environ["OMP_NUM_THREADS"]

    assert threads(2, SLURM_CPUS_PER_TASK="8") == "4"
    assert threads(100) == "1"
    assert threads(2, SLURM_CPUS_PER_TASK="8", OMP_NUM_THREADS="3") == "3"


def test_training_of_another_number_of_processes_ends() -> None:
    code = "from ctaplib.train.distributed import join_world; join_world(False)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CTAP_WORLD_SIZE": "4"}, capture_output=True, text=True
    )
    assert "this training has 1 processes; expected 4, as utils/launch.sh was asked for" in done.stderr
