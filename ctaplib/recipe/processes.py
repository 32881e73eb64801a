"""Child processes of the recipe driver: run one with a log, watch its memory, end what a killed run left."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

RUN_ID = "CTAP_RUN_ID"
SAMPLE_EVERY_S = 1.0
STOP_WAIT_S = 10.0
_FIRST_ERROR = re.compile(
    r"^(?:\[[^\]]*\]:? *)*(?:\S+T\S+ (?:ERROR|CRITICAL) .*"
    r"|(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Killed)|[Ee]rror|ERROR|fatal)(?::.*|)"
    r"|\S+: line \d+: .*|.*: (?:command not found|No such file or directory))$"
)


def run_logged(command: str, log: Path, run_id: str) -> tuple[int, int]:
    """Run a bash command; what it prints goes to standard output and, appended, to the log.

    Returns:
        The exit status (128 + signal for a signal) and the largest sum of resident sizes seen, in MiB.
    """
    environment = {**os.environ, RUN_ID: run_id, "PYTHONUNBUFFERED": "1", "CTAP_JOBS": str(jobs_folder(log).absolute())}
    with open(log, "ab") as out:
        started = time.strftime("%Y-%m-%dT%H:%M:%S")
        out.write(f"# {command}\n# Started at {started}\n#\n".encode())
        out.flush()
        child = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
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
        took, ended = time.monotonic() - begun, time.strftime("%Y-%m-%dT%H:%M:%S")
        out.write(f"# Ended (code {status}) at {ended}, elapsed time {took:.0f} seconds\n".encode())
    return status, memory.peak_mib


def jobs_folder(log: Path) -> Path:
    """Where jobs of a stage on a cluster have their files, beside its log."""
    return log.with_suffix(".jobs")


def first_error(log: Path, start: int) -> str:
    """The first line of a log, from byte `start`, that tells of an error; else its last line."""
    with open(log, "rb") as handle:
        handle.seek(start)
        text = handle.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    told = next((line for line in lines if _FIRST_ERROR.match(line)), None)
    return told or (lines[-1] if lines else "it printed nothing")


def end_run(run_id: str, wait_s: float = 0.0) -> list[int]:
    """End every process that carries the run's id: by SIGTERM when given time, then by SIGKILL.

    Returns:
        The ids of the processes that were found.
    """
    found = members(run_id)
    if wait_s:
        _signal(found, signal.SIGTERM)
        deadline = time.monotonic() + wait_s
        while members(run_id) and time.monotonic() < deadline:
            time.sleep(0.1)
    while left := members(run_id):
        _signal(left, signal.SIGKILL)
        time.sleep(0.05)
    return found


def members(run_id: str) -> list[int]:
    """Ids of the living processes, but this one, whose environment carries the run's id."""
    mark = f"{RUN_ID}={run_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            if marked and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile, or belongs to someone else
            continue
    return found


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


class _Memory(threading.Thread):
    """Samples the resident memory of a process and its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak_mib = root, 0
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until stopped; does nothing where there is no /proc."""
        while Path("/proc/self/stat").exists() and not self._ended.wait(SAMPLE_EVERY_S):
            self.peak_mib = max(self.peak_mib, self._sample())

    def stop(self) -> None:
        """End the sampling."""
        self._ended.set()
        self.join()

    def _sample(self) -> int:
        children: dict[int, list[int]] = {}
        pages: dict[int, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            pid = int(entry.name)
            children.setdefault(int(fields[1]), []).append(pid)
            pages[pid] = int(fields[21])
        total, queue = 0, [self.root]
        while queue:
            pid = queue.pop()
            total += pages.get(pid, 0)
            queue += children.get(pid, [])
        return total * os.sysconf("SC_PAGE_SIZE") // 2**20
