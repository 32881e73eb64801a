"""How a run stands: a lock that ends with its process, and a file that says how the run ended."""

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
"""Folder of a run where its processes leave what they failed with, the first one only where it can do nothing more."""
ENDINGS = ("finished", "stopped", "failed")
METRICS_FILE = "metrics.jsonl"
SILENT_S = 600.0
"""A run of another machine that wrote nothing for so long is taken for dead."""


log = logging.getLogger("ctaplib.runs.state")


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        state: running, finished, stopped or failed; "" where nothing was written about it.
        note: The error, or what is known instead.
        max_steps: Steps it is to take; 0 where unknown.
        task: What it trains; "" where unknown.
    """

    state: str
    note: str = ""
    max_steps: int = 0
    task: str = ""


class Running:
    """Marks a run's folder as being trained, until `end` or until this process dies.

    One process of a run does so, on whatever machine its others are.

    Raises:
        ConfigError: another run is trained there, on this machine or on another that was heard of lately.
    """

    def __init__(self, exp: Path, task: str, max_steps: int) -> None:
        self.exp = exp
        self.document: dict[str, object] = {"state": "running", "task": task, "max_steps": max_steps}
        self.document |= {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._lock = _take_lock(exp)
        write_json(exp / STATE_FILE, self.document)

    def end(self, state: str, note: str = "", lost_peer: bool = False) -> None:
        """Write how the run ended, and whether the cause lies with another of its processes; give the lock back."""
        if self._lock.closed:
            return
        ended = {"state": state, "note": note, "ended": time.time(), "lost_peer": lost_peer}
        write_json(self.exp / STATE_FILE, self.document | ended)
        self._lock.close()


def check_free(exp: Path) -> None:
    """Look whether a run may be trained here, long before `Running` makes sure.

    Raises:
        ConfigError: another one is.
    """
    if (exp / LOCK_FILE).exists():
        _take_lock(exp).close()


def _take_lock(exp: Path) -> IO[str]:
    """Take the lock of a run's folder, and write into it who has it."""
    lock = (exp / LOCK_FILE).open("a+")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        try:
            _doubt(exp, error)
        except ConfigError:
            lock.close()
            raise
    else:
        lock.truncate(0)
        lock.write(f"{os.getpid()} {socket.gethostname()}\n")
        lock.flush()
    return lock


def _doubt(exp: Path, error: OSError) -> None:
    """Raise where the holder lives; a lock of another machine may be that of a dead one, or locks may not work at all."""
    if error.errno not in (errno.EACCES, errno.EAGAIN):
        log.warning("%s: nothing keeps two trainings apart here, as this file system has no locks (%s)", exp, error)
        return
    pid, _, host = (exp / LOCK_FILE).read_text(encoding="utf-8").strip().partition(" ")
    quiet_s, here = time.time() - newest(exp), host == socket.gethostname()
    who = f"process {pid}" if pid else "a process that has not said yet who it is"
    if not here:
        who += f"{' on ' if host else ''}{host}, heard of {max(0.0, quiet_s):.0f} s ago"
        if quiet_s >= SILENT_S:
            log.warning("%s is locked by %s: taken for dead", exp, who)
            return
    dead = "" if here else f"; if that machine is down, start again in {SILENT_S - quiet_s:.0f} s"
    raise ConfigError(
        f"{exp} is being trained by {who}",
        fix=f"wait until it is done, stop it, or give this run another --exp{dead}",
    ) from error


def read_state(exp: Path) -> RunState:
    """How the run in a folder stands, by its lock and what it last said."""
    said = _read(exp)
    if not said:
        return RunState("")
    steps, task, note = int(str(said.get("max_steps", 0))), str(said.get("task", "")), str(said.get("note", ""))
    state, host = str(said.get("state", "")), str(said.get("host", ""))
    if _is_locked(exp):
        return RunState("running", f"process {said.get('pid')} on {host}", steps, task)
    if state in ENDINGS:
        return RunState(state, (_cause(exp) if said.get("lost_peer") else "") or note, steps, task)
    quiet_s, cause = time.time() - newest(exp), _cause(exp)
    if not cause and host != socket.gethostname() and quiet_s < SILENT_S:
        return RunState("running", f"on {host}, whose lock is not seen here; last heard of {quiet_s:.0f} s ago", steps, task)
    wordless = "it ended without a word: killed, or the machine went down; the same command goes on"
    return RunState("failed", cause or wordless, steps, task)


def note_error(exp: Path, rank: int, error: BaseException, *, ends_here: bool = False) -> None:
    """Leave what a process failed with for `read_state`; the first process, which holds the lock, notes its own.

    Args:
        exp: Folder of the run.
        rank: The process.
        error: What it failed with.
        ends_here: Whether the process says nothing after this; then the first one leaves it here as well.
    """
    if (rank or ends_here) and exp.is_dir():
        lines = str(error).splitlines()
        write_json(exp / ERRORS / f"rank{rank}.json", {"time": time.time(), "error": lines[0] if lines else type(error).__name__})


def forget_errors(exp: Path, rank: int, processes: int) -> None:
    """At a start: every process removes its own of an earlier start, the first those of processes that are no more."""
    for path in (exp / ERRORS).glob("rank*.json"):
        other = int(path.stem.removeprefix("rank"))
        if other == rank or (rank == 0 and other >= processes):
            path.unlink(missing_ok=True)


def _cause(exp: Path) -> str:
    """What the process that failed first left, or nothing."""
    left = []
    for path in (exp / ERRORS).glob("rank*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        left.append((document["time"], f"process {path.stem.removeprefix('rank')}: {document['error']}"))
    return min(left)[1] if left else ""


def as_record(line: str) -> dict[str, Any] | None:
    """The record that a line of `metrics.jsonl` is, or None: torn by a kill, or written by something else."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def newest(exp: Path) -> float:
    """Time of the newest record of a run, seconds since the epoch."""
    names = (METRICS_FILE, STATE_FILE, LOCK_FILE, "train.log", "config.yaml")
    return max((path.stat().st_mtime for path in map(exp.joinpath, names) if path.exists()), default=0.0)


def _read(exp: Path) -> dict[str, object]:
    path = exp / STATE_FILE
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not JSON: {error}", fix="remove it; the run writes it anew when it goes on") from error
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
