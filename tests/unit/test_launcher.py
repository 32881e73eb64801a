"""One process is started without torchrun."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ctaplib.cli.main import main
from ctaplib.runs.state import read_state


def launcher(*program: str, nproc: int = 1) -> list[str]:
    """Return a command that runs a Python program as the launcher does."""
    code = f"import sys; from ctaplib.cluster.launcher import run_processes; sys.exit(run_processes({program!r}, {nproc}))"
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("program", "status", "told"),
    [
        ("print('done')", 0, ""),
        ("raise SystemExit(7)", 7, "error: process 0 of 1 ended first, by status 7"),
        ("import os; os.kill(os.getpid(), 9)", 137, "error: process 0 of 1 ended first, by signal 9"),
        ("raise SystemExit(143)", 143, ""),
    ],
)
def test_its_status_is_the_status(program: str, status: int, told: str) -> None:
    done = subprocess.run(launcher("-c", program), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (status, told)


def test_it_is_alone_whatever_runs_around_it() -> None:
    program = "import os; print(*[os.environ.get(name) for name in ('RANK', 'WORLD_SIZE', 'CTAP_WORLD_SIZE')])"
    around = {**os.environ, "RANK": "3", "WORLD_SIZE": "4"}
    assert (
        subprocess.run(launcher("-c", program), capture_output=True, text=True, env=around, check=True).stdout == "None None 1\n"
    )


def test_a_request_to_stop_reaches_it(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'asked')!r}).touch(), sys.exit(143)))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(60)"
    )
    running = subprocess.Popen(launcher("-c", program))
    while not (tmp_path / "ready").exists():
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 143 and (tmp_path / "asked").exists()


def test_the_options_become_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple] = []
    monkeypatch.setattr("ctaplib.cluster.launcher.run_processes", lambda *words: started.append(words))
    monkeypatch.setattr("ctaplib.cluster.launcher.check_gpus", lambda wanted: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    main(["launch", "--ngpu", "4", "--", "--task", "asr"])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    main(["launch", "--nproc", "2", "--batch-bins", "auto", "--", "--task", "asr"])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "", "training on the CPU sees no GPU"
    ctap = ["-m", "ctaplib.cli.main", "train", "--task", "asr", "--patience", "30", "--batch_bins"]
    assert [words[:2] for words in started] == [([*ctap, "0", "--gpu"], 4), ([*ctap, "auto"], 2)]


def test_nothing_to_train_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--nproc", "2"]) == 1
    assert "expected [options] -- ARGUMENTS OF ctap train" in capsys.readouterr().err


def test_no_torch_is_imported_for_it() -> None:
    words = [sys.executable, "-X", "importtime", *launcher("-c", "pass")[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "ctaplib.cluster.rendezvous" in done.stderr and "| torch\n" not in done.stderr


def test_a_process_that_is_killed_is_named_in_the_folder_of_the_run(tmp_path: Path) -> None:
    program = launcher("-c", "import os; os.kill(os.getpid(), 9)", "--exp", str(tmp_path))
    assert subprocess.run(program, capture_output=True, check=False).returncode == 137
    (tmp_path / "run_state.json").write_text('{"state": "running", "host": "elsewhere"}')
    stands = read_state(tmp_path)
    assert stands.state == "failed"
    told = "ended by signal 9 (SIGKILL); the kernel does that where memory runs out; the same command goes on"
    assert stands.note == f"process 0: {told}"


TWO = """
import os, pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
def asked(*_):
    (place / f"asked{os.environ['RANK']}").touch()
    if len(sys.argv) == 2:
        sys.exit(143)
signal.signal(signal.SIGTERM, asked)
(place / f"ready{os.environ['RANK']}").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("twice", [False, True])
def test_the_keyboard_asks_the_processes_to_stop_and_then_kills_them(tmp_path: Path, twice: bool) -> None:
    (tmp_path / "two.py").write_text(TWO)
    words = [str(tmp_path / "two.py"), str(tmp_path), *(["stay"] if twice else [])]
    program = launcher(*words, nproc=2)
    running = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, preexec_fn=heed_the_keyboard)
    wait_for(lambda: (tmp_path / "ready0").exists() and (tmp_path / "ready1").exists())
    running.send_signal(signal.SIGINT)
    if twice:
        wait_for(lambda: (tmp_path / "asked0").exists() and (tmp_path / "asked1").exists())
        running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=50)
    assert running.returncode == (130 if twice else 143) and "Traceback" not in told, told
    assert (tmp_path / "asked0").exists() and (tmp_path / "asked1").exists()
    for rank in range(2):
        assert not Path(f"/proc/{(tmp_path / f'ready{rank}').read_text()}").exists()


def heed_the_keyboard() -> None:
    """Also where these tests run behind `&`, which has everything below ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)
