"""A process of a run on GPUs ends with its error, whatever the others do."""

import subprocess
import sys
from pathlib import Path

import pytest

from ctaplib.cli._plan_checks import parse_values
from ctaplib.cli.main import main
from ctaplib.train.distributed import lost_peer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("CtapError('the disk is full')", "error: the disk is full"),
        ("ZeroDivisionError('by hand')", "ZeroDivisionError: by hand"),
    ],
)
def test_the_error_is_told_and_nothing_is_waited_for(error: str, told: str) -> None:
    program = (
        "import threading, time; from ctaplib.errors import CtapError; from ctaplib.cli.train import end_at_once\n"
        f"threading.Thread(target=time.sleep, args=(60,)).start()\nend_at_once({error})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and done.stderr.strip().endswith(told)


@pytest.mark.parametrize("call", ["end_at_once(error)", "_end_alone(error, Path(), 1)"])
def test_a_log_that_takes_no_more_is_not_waited_for(call: str, tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from ctaplib.cli import train; from ctaplib.errors import LostPeerError\n"
        "os.set_blocking(2, False)\n"
        "try:\n    while True: os.write(2, bytes(4096))\n"
        "except BlockingIOError: os.set_blocking(2, True)\n"
        f"train.LEAVE_S = 0.3\nerror = LostPeerError('gone')\ntrain.{call}"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        assert process.wait(timeout=10) == 1
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "errors").exists() == call.startswith("_end_alone")


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.", True),
        ("[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)", True),
        ("NCCL error: invalid usage; Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1b000", False),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_only_what_means_a_lost_process_is_told_as_one(text: str, lost: bool) -> None:
    assert (lost_peer(RuntimeError(text), 3) is not None) == lost


@pytest.mark.parametrize("patience", ["inf", "nan", "-1", "0.5"])
def test_a_patience_that_cannot_be_is_told(patience: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--task", "asr", "--exp", str(tmp_path / "exp"), f"--patience={patience}"]) == 1
    assert f"--patience {patience}; expected seconds, at least 1, or 0" in capsys.readouterr().err
    _, faults = parse_values({"launch": f"--patience {patience}"})
    assert len(faults) == 1 and faults[0].startswith(f"--patience {patience}; expected seconds")
