"""How a run stands: a lock that ends with its process, and a file that says how the run ended."""

import errno
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ctaplib.errors import ConfigError
from ctaplib.files import write_json

STATE_FILE = "run_state.json"
LOCK_FILE = "run.lock"
ENDINGS = ("finished", "stopped", "failed")
SILENT_S = 600.0
"""A run of another machine that wrote nothing for so long is taken for dead."""


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

    Raises:
        ConfigError: another process of this machine trains there.
    """

    def __init__(self, exp: Path, task: str, max_steps: int) -> None:
        self.exp = exp
        self.document: dict[str, object] = {"state": "running", "task": task, "max_steps": max_steps}
        self.document |= {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._lock: IO[str] = (exp / LOCK_FILE).open("a")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._refuse(error)
        write_json(exp / STATE_FILE, self.document)

    def _refuse(self, error: OSError) -> None:
        """Raise where the holder is on this machine; a lock elsewhere may be that of a dead one, or not work at all."""
        other = _read(self.exp)
        if error.errno not in (errno.EACCES, errno.EAGAIN) or other.get("host") != socket.gethostname():
            return
        self._lock.close()
        raise ConfigError(
            f"{self.exp} is being trained by process {other.get('pid')}",
            fix="wait until it is done, stop it, or give this run another --exp",
        ) from error

    def end(self, state: str, note: str = "") -> None:
        """Write how the run ended, and give the lock back."""
        if self._lock.closed:
            return
        write_json(self.exp / STATE_FILE, {**self.document, "state": state, "note": note, "ended": time.time()})
        self._lock.close()


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
        return RunState(state, note, steps, task)
    quiet_s = time.time() - newest(exp)
    if host != socket.gethostname() and quiet_s < SILENT_S:
        return RunState("running", f"on {host}, whose lock is not seen here; last heard of {quiet_s:.0f} s ago", steps, task)
    return RunState("failed", "it ended without a word: killed, or the machine went down; the same command goes on", steps, task)


def newest(exp: Path) -> float:
    """Time of the newest record of a run, seconds since the epoch."""
    names = ("metrics.jsonl", STATE_FILE, "train.log", "config.yaml")
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
