"""One process is started without torchrun."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def node(program: str) -> list[str]:
    return [sys.executable, "-m", "ctaplib.node", "--nproc", "1", "--", "-c", program]


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
    done = subprocess.run(node(program), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (status, told)


def test_it_is_alone_whatever_runs_around_it() -> None:
    program = "import os; print(*[os.environ.get(name) for name in ('RANK', 'WORLD_SIZE', 'CTAP_WORLD_SIZE')])"
    around = {**os.environ, "RANK": "3", "WORLD_SIZE": "4"}
    assert subprocess.run(node(program), capture_output=True, text=True, env=around, check=True).stdout == "None None 1\n"


def test_a_request_to_stop_reaches_it(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(tmp_path / 'asked')!r}).touch(), sys.exit(143)))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(60)"
    )
    running = subprocess.Popen(node(program))
    while not (tmp_path / "ready").exists():
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 143 and (tmp_path / "asked").exists()


def test_no_torch_is_imported_for_it() -> None:
    words = [sys.executable, "-X", "importtime", *node("pass")[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "ctaplib.meeting" in done.stderr and "| torch\n" not in done.stderr
