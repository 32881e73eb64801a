"""The rendezvous of machines: all come, one never comes, one too many comes."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed import DistError

from ctaplib.cluster.launcher import _set_threads
from ctaplib.cluster.rendezvous import is_local, take_rank
from ctaplib.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


ONE = """
import sys
from ctaplib.cluster.rendezvous import take_rank
rank, store = take_rank("localhost", int(sys.argv[1]), 2, 30)
print(rank, flush=True)
input()
"""


def test_machines_without_ranks_are_numbered_and_one_too_many_is_refused() -> None:
    words = [sys.executable, "-c", ONE, str(free_port())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(words, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    ranks = [child.stdout.readline() for child in started]
    errors = [child.communicate("\n")[1] for child in started]
    assert sorted(ranks) == ["", "0\n", "1\n"], errors
    assert "2 machines have come to localhost:" in errors[ranks.index("")]


def test_a_first_machine_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctaplib.cluster.rendezvous.is_local", lambda host: False)
    started = time.monotonic()
    with pytest.raises(DistError):
        take_rank("127.0.0.1", free_port(), 2, 1)
    assert time.monotonic() - started < 10


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


def test_launch_without_slurm_says_how_many_were_expected_and_where() -> None:
    endpoint = f"localhost:{free_port()}"
    done = launch("--num_nodes", "2", "--rdzv_endpoint", endpoint, "--join_timeout", "1")
    assert done.returncode == 1
    assert f"machine {socket.gethostname()}: 0 of 2, the first is at {endpoint}" in done.stderr
    assert f"error: {socket.gethostname()}: 2 machines did not meet at {endpoint} within 1 s: " in done.stderr
    assert "1/2" in done.stderr and "--join_timeout waits longer" in done.stderr and "Traceback" not in done.stderr


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
        _set_threads(processes)
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
