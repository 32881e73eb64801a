"""State of a run: a lock that its process holds, and a file that records how the run ended."""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ctaplib.errors import ConfigError
from ctaplib.files import write_json

STATE_FILE = "run_state.json"
LOCK_FILE = "run.lock"
ERRORS = "errors"
"""Folder of a run for the errors of its ranks; rank 0 uses `STATE_FILE`, and this folder only on an immediate exit."""
METRICS_FILE = "metrics.jsonl"
SILENT_S = 600.0
"""Seconds without a write after which a run of another machine counts as dead."""

log = logging.getLogger("ctaplib.runs.state")


@dataclass(frozen=True)
class RunState:
    """State of a run.

    Attributes:
        state: running, finished, stopped or failed; "" without a state file.
        note: The error, or other details.
        max_steps: Number of steps in all; 0 where unknown.
        task: Name of the task; "" where unknown.
    """

    state: str
    note: str = ""
    max_steps: int = 0
    task: str = ""


class Running:
    """Lock of a run's folder, held by rank 0 until `end` or until the process dies.

    Raises:
        ConfigError: another process trains there, on this machine or on another that wrote something lately.
    """

    def __init__(self, exp: Path, task: str, max_steps: int) -> None:
        self.exp = exp
        self.document: dict[str, Any] = {"state": "running", "task": task, "max_steps": max_steps}
        self.document |= {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._lock = _take_lock(exp)
        write_json(exp / STATE_FILE, self.document)

    def end(self, state: str, note: str = "", lost_peer: bool = False) -> None:
        """Write how the run ended, and whether another of its processes is the cause; release the lock."""
        if self._lock.closed:
            return
        ended = {"state": state, "note": note, "ended": time.time(), "lost_peer": lost_peer}
        write_json(self.exp / STATE_FILE, self.document | ended)
        self._lock.close()


def check_free(exp: Path) -> None:
    """Check that no other process trains in a folder, before anything is loaded; `Running` checks again.

    Raises:
        ConfigError: one does.
    """
    if (exp / LOCK_FILE).exists():
        _take_lock(exp).close()


def _take_lock(exp: Path) -> IO[str]:
    """Take the lock of a run's folder and write its holder into it."""
    lock = (exp / LOCK_FILE).open("a+")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        try:
            _check_holder(exp, error)
        except ConfigError:
            lock.close()
            raise
    else:
        lock.truncate(0)
        lock.write(f"{os.getpid()} {socket.gethostname()}\n")
        lock.flush()
    return lock


def _check_holder(exp: Path, error: OSError) -> None:
    """Raise unless the lock is that of a dead process of another machine, or the file system has no locks."""
    if error.errno not in (errno.EACCES, errno.EAGAIN):
        log.warning("%s: this file system has no locks (%s); do not start two trainings here", exp, error)
        return
    pid, _, host = (exp / LOCK_FILE).read_text(encoding="utf-8").strip().partition(" ")
    quiet_s, here = time.time() - newest(exp), host == socket.gethostname()
    who = f"process {pid}" if pid else "a process that has not written its name yet"
    if not here:
        who += f"{' on ' if host else ''}{host}, last write {max(0.0, quiet_s):.0f} s ago"
        if quiet_s >= SILENT_S:
            log.warning("%s is locked by %s: taken for dead", exp, who)
            return
    dead = "" if here else f"; if that machine is down, start again in {SILENT_S - quiet_s:.0f} s"
    raise ConfigError(
        f"{exp} is being trained by {who}",
        fix=f"wait until it is done, stop it, or give this run another --exp{dead}",
    ) from error


def read_state(exp: Path) -> RunState:
    """Return the state of the run in a folder, from its lock and its state file."""
    saved = _read(exp)
    if not saved:
        return RunState("")
    steps, task, note = saved.get("max_steps", 0), saved.get("task", ""), saved.get("note", "")
    state, host = saved.get("state", ""), saved.get("host", "")
    if _is_locked(exp):
        return RunState("running", f"process {saved.get('pid')} on {host}", steps, task)
    if state in ("finished", "stopped", "failed"):
        return RunState(state, (_cause(exp) if saved.get("lost_peer") else "") or note, steps, task)
    quiet_s, cause = time.time() - newest(exp), _cause(exp)
    if not cause and host != socket.gethostname() and quiet_s < SILENT_S:
        return RunState("running", f"on {host}, whose lock is not seen here; last write {quiet_s:.0f} s ago", steps, task)
    silent = "it ended without a message: killed, or the machine went down; the same command resumes it"
    return RunState("failed", cause or silent, steps, task)


def note_error(exp: Path, rank: int, error: BaseException, *, ends_here: bool = False) -> None:
    """Record the error of a process for `read_state`; rank 0 records its own in the state file.

    Args:
        exp: Folder of the run.
        rank: Rank of the process.
        error: The error.
        ends_here: True where the process ends at once; then rank 0 too records its error here.
    """
    if (rank or ends_here) and exp.is_dir():
        lines = str(error).splitlines()
        write_json(exp / ERRORS / f"rank{rank}.json", {"time": time.time(), "error": lines[0] if lines else type(error).__name__})


def remove_errors(exp: Path, rank: int, processes: int) -> None:
    """Remove the errors of an earlier start: each process its own, rank 0 those of ranks that no longer exist."""
    for path in (exp / ERRORS).glob("rank*.json"):
        other = int(path.stem.removeprefix("rank"))
        if other == rank or (rank == 0 and other >= processes):
            path.unlink(missing_ok=True)


def _cause(exp: Path) -> str:
    """Return the error of the process that failed first, or nothing."""
    errors = []
    for path in (exp / ERRORS).glob("rank*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        errors.append((document["time"], f"process {path.stem.removeprefix('rank')}: {document['error']}"))
    return min(errors)[1] if errors else ""


def split_records(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], dict[int, str]]:
    """Read `metrics.jsonl`; an absent file has no lines.

    Returns:
        Lines with their records; and the start of each line that is none (torn by a kill, or foreign), by its number.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    records, foreign = [], {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append((line, record))
        else:
            foreign[number] = f"{number}: {line[:60]!r}"
    return records, foreign


def newest(exp: Path) -> float:
    """Return the time of the last write of a run, seconds since the epoch."""
    names = (METRICS_FILE, STATE_FILE, LOCK_FILE, "train.log", "config.yaml")
    return max((path.stat().st_mtime for path in map(exp.joinpath, names) if path.exists()), default=0.0)


def _read(exp: Path) -> dict[str, Any]:
    path = exp / STATE_FILE
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not JSON: {error}", fix="remove it; the run writes it again when it resumes") from error
    return document if isinstance(document, dict) else {}


def _is_locked(exp: Path) -> bool:
    path = exp / LOCK_FILE
    if not path.exists():
        return False
    with path.open() as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EACCES, errno.EAGAIN)
    return False
