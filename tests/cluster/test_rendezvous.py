"""The rendezvous of machines: all come, one never comes, one was started with other options."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ctaplib.cluster.launcher import _set_threads
from ctaplib.cluster.rendezvous import Place, is_local, join
from ctaplib.errors import ConfigError, CtapError, TrainingError

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def meet(places: list[Place], n_nodes: int, timeout_s: float = 15.0, commands: Sequence[str] = ()) -> list[int | CtapError]:
    """Join from several places at once; return what comes of each."""

    def join_one(place: Place, command: str) -> int | CtapError:
        try:
            rank, store = join(place, n_nodes, command, timeout_s)
            stores.append(store)
            return rank
        except CtapError as error:
            return error

    stores: list[object] = []
    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(join_one, places, commands or ["same"] * len(places)))


def test_machines_that_know_their_ranks_keep_them() -> None:
    port, names = free_port(), ("a", "b", "c")
    places = [Place("127.0.0.1", port, name, rank, names) for rank, name in enumerate(names)]
    assert meet(places[::-1], 3) == [2, 1, 0]


ONE = "import sys\nfrom ctaplib.cluster.rendezvous import Place, join\n"
ONE += "rank, store = join(Place('localhost', int(sys.argv[1]), sys.argv[2]), 2, 'same', 30)\nprint(rank)\ninput()"


def test_machines_without_ranks_are_numbered() -> None:
    words = [sys.executable, "-c", ONE, str(free_port())]
    started = [subprocess.Popen([*words, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "ab"]
    ranks = [child.stdout.readline() for child in started if child.stdout is not None]
    assert sorted(ranks) == ["0\n", "1\n"]
    for child in started:
        child.communicate("\n")


def test_a_machine_that_never_comes_is_named_to_all() -> None:
    port, names = free_port(), ("a", "b", "c")
    started = time.monotonic()
    found = meet([Place("127.0.0.1", port, names[rank], rank, names) for rank in (0, 2)], 3, 1.5)
    assert time.monotonic() - started < 10
    for error in found:
        assert isinstance(error, TrainingError)
        assert "2 of 3 machines came within 1.5 s (a, c); missing: b" in str(error)
        assert "--join_timeout" in str(error)


def test_a_first_machine_that_never_comes_is_named() -> None:
    with pytest.raises(TrainingError, match=r"b waited 1 s for a, but has no connection to its port \d+"):
        join(Place("127.0.0.1", free_port(), "b", 1, ("a", "b")), 2, "same", 1)


def test_machines_with_other_options_do_not_train_together() -> None:
    port, names = free_port(), ("a", "b")
    places = [Place("127.0.0.1", port, name, rank, names) for rank, name in enumerate(names)]
    found = meet(places, 2, 3, ("one", "two"))
    assert isinstance(found[1], ConfigError)
    assert f"b was started with other options than the machine at 127.0.0.1:{port}" in str(found[1])
    assert "1 of 2 machines came within 3 s (a); missing: b" in str(found[0])


def test_a_stranger_at_the_port_is_no_machine() -> None:
    port, names = free_port(), ("a", "b")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(join, Place("127.0.0.1", port, "a", 0, names), 2, "same", 15)
        time.sleep(0.5)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert join(Place("127.0.0.1", port, "b", 1, names), 2, "same", 15)[0] == 1
        assert first.result()[0] == 0


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
