"""Child processes of the recipe driver: run a command with a log, measure its memory, end what a killed run left."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from ctaplib.cluster.processes import RUN_ID, send_signal
from ctaplib.cluster.slurm import FOLDER

SAMPLE_EVERY_S = 1.0
STOP_WAIT_S = 10.0
_FIRST_ERROR = re.compile(
    r"^(?:\[[^\]]*\]:? *)*(?:\S+T\S+ (?:ERROR|CRITICAL) .*"
    r"|(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Killed)|[Ee]rror|ERROR|fatal)(?::.*|)"
    r"|\S+: line \d+: .*|.*: (?:command not found|No such file or directory))$"
)


def run_logged(command: str, log: Path, run_id: str) -> tuple[int, int]:
    """Run a bash command; its output goes to standard output and is appended to the log.

    Returns:
        The exit status (128 + signal for a signal) and the peak memory of all its processes in MiB.
    """
    environment = {**os.environ, RUN_ID: run_id, "PYTHONUNBUFFERED": "1", FOLDER: str(jobs_folder(log).absolute())}
    with open(log, "ab") as out:
        out.write(f"# {command}\n# Started at {_now()}\n#\n".encode())
        out.flush()
        child = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        memory = _Memory(child.pid)
        memory.start()
        begun = time.monotonic()
        try:
            assert child.stdout is not None  # opened as a pipe above
            while chunk := os.read(child.stdout.fileno(), 65536):
                out.write(chunk)
                out.flush()
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            status = child.wait()
        except BaseException:
            end_run(run_id, wait_s=STOP_WAIT_S)
            raise
        finally:
            memory.stop()
        status = 128 - status if status < 0 else status
        out.write(f"# Ended (code {status}) at {_now()}, elapsed time {time.monotonic() - begun:.0f} seconds\n".encode())
    return status, memory.peak_mib


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def jobs_folder(log: Path) -> Path:
    """Return the folder for the files of a stage's jobs on a cluster, beside its log."""
    return log.with_suffix(".jobs")


def first_error(log: Path, start: int) -> str:
    """Return the first line of a log, from byte `start`, that reports an error; else its last line."""
    with open(log, "rb") as handle:
        handle.seek(start)
        text = handle.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    error = next((line for line in lines if _FIRST_ERROR.match(line)), None)
    return error or (lines[-1] if lines else "it printed nothing")


def end_run(run_id: str, wait_s: float = 0.0) -> list[int]:
    """End every process of a driver run, by SIGTERM first if there is time to wait, then by SIGKILL; return their ids."""
    found = members(run_id)
    if wait_s:
        send_signal(found, signal.SIGTERM)
        deadline = time.monotonic() + wait_s
        while members(run_id) and time.monotonic() < deadline:
            time.sleep(0.1)
    while left := members(run_id):
        send_signal(left, signal.SIGKILL)
        time.sleep(0.05)
    return found


def members(run_id: str) -> list[int]:
    """List the living processes, except this one, whose environment carries the id of a driver run."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.pid != os.getpid() and process.environ().get(RUN_ID) == run_id
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:  # it ended meanwhile, or belongs to another user
            continue
    return found


class _Memory(threading.Thread):
    """Sampler of the resident memory of a process and its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak_mib = root, 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            self.peak_mib = max(self.peak_mib, self._sample())

    def stop(self) -> None:
        """End the sampling."""
        self._ended.set()
        self.join()

    def _sample(self) -> int:
        total = 0
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.root)
            for process in [root, *root.children(recursive=True)]:
                with suppress(psutil.Error):  # it ended meanwhile
                    total += process.memory_info().rss
        return total // 2**20
