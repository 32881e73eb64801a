"""What is asked of Slurm: submit, look, cancel, and where the machines of a job are.

`conf/slurm.conf` has options of sbatch, one `name=value` a line; `train.name=value` is for training alone and
`jobs.name=value` for the jobs that train nothing.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctaplib.errors import ConfigError, CtapError, DependencyError

CONFIG = "CTAP_SLURM_CONFIG"
FOLDER = "CTAP_JOBS"
"""Environment variable: folder for the files of jobs, beside the log of the stage."""
POLL_S = 2.0
UNREACHABLE_S = 600.0
"""How long the controller may not answer before a wait is given up."""
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED", "STOPPED")
_NEVER = ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS")
"""Reasons for which a job waits that waiting does not change."""
OURS = ("array", "chdir", "export", "nodes", "ntasks", "ntasks-per-node", "output", "open-mode", "parsable", "signal", "wait")
"""Options that are set here and have no place in the config."""
_KINDS = ("train", "jobs")


def read_options(path: str | Path, kind: str) -> list[str]:
    """Options of sbatch from a config.

    Args:
        path: The file.
        kind: `train` or `jobs`.

    Raises:
        ConfigError: it is missing or has lines that are no options (all of them).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the options of sbatch, {path}", fix="check --slurm_config") from error
    options: dict[str, str] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        found = re.fullmatch(r"(?:(\w+)\.)?([a-z][a-z-]*)(?:=(\S.*))?", text)
        if found is None or found[1] not in (None, *_KINDS):
            faults.append(f"{path}:{number}: {text!r} is not name=value, train.name=value or jobs.name=value")
        elif found[2] in OURS:
            faults.append(f"{path}:{number}: {found[2]} is set by ctaplib")
        elif found[1] in (None, kind) and (found[1] or found[2] not in options):
            options[found[2]] = f"--{found[2]}" + (f"={found[3]}" if found[3] else "")
    if faults:
        raise ConfigError("; ".join(faults), expected="options of sbatch as in conf/slurm.conf")
    return list(options.values())


def config_path() -> Path:
    """The config in use: what the recipe says, else its own, else the shared one."""
    shared = Path(__file__).parents[2] / "conf/slurm.conf"
    return Path(os.environ.get(CONFIG) or (own if (own := Path("conf/slurm.conf")).exists() else shared))


@dataclass(frozen=True)
class State:
    """State of a job or of one task of an array, with Slurm's reason for it."""

    name: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether it is in the queue."""
        return self.name in WAITING

    @property
    def stuck(self) -> bool:
        """Whether it is in the queue and will not leave it by itself."""
        return self.waits and (self.reason in _NEVER or "JobHeldAdmin" in self.reason or "requeued_held" in self.reason)

    @property
    def lives(self) -> bool:
        """Whether it may still do something."""
        return self.waits or self.name in ("RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT")


def check_cluster() -> None:
    """See whether a cluster answers.

    Raises:
        CtapError: its controller cannot be reached; with what sinfo said.
    """
    if shutil.which("sinfo") is None:
        raise DependencyError("--cmd_backend slurm needs sinfo, sbatch and their like, which are not on this machine")
    done = _call(["timeout", "60", "sinfo", "--noheader", "--format=%P"])
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise CtapError(
            f"--cmd_backend slurm: no cluster answers on this machine; sinfo: {said}",
            fix="start this on a machine of the cluster whose controller (slurmctld) runs, or give --cmd_backend local",
        )


def submit(script: str, options: Sequence[str]) -> str:
    """Hand a script to sbatch; give the job's id.

    Raises:
        CtapError: sbatch refused it; with what it said.
    """
    # Processes on a cluster are no children of this recipe's driver, wherever they run.
    environment = {
        k: v for k, v in os.environ.items() if k != "CTAP_RUN_ID" and (k == "SLURM_CONF" or not k.startswith("SLURM_"))
    }
    done = _call(["sbatch", "--parsable", *options], input=script, env=environment)
    if done.returncode:
        check_cluster()
        said = " ".join(done.stderr.split())
        raise CtapError(f"sbatch refused the job: {said}", fix=f"correct {config_path()} (options of sbatch)")
    return done.stdout.strip().split(";")[0]


def states(job: str) -> dict[int, State]:
    """State of every task of a job that Slurm still knows; a job that is no array has the task 0."""
    started = time.monotonic()
    while True:
        done = _call(["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%K|%T|%r"])
        if done.returncode == 0:
            break
        if "Invalid job id" in done.stderr:
            return {}
        if time.monotonic() - started > UNREACHABLE_S:
            said = " ".join(done.stderr.split())
            raise CtapError(f"Slurm has not answered for {UNREACHABLE_S:.0f} s: {said}", fix="see whether its controller runs")
        time.sleep(POLL_S)
    found = {}
    for line in done.stdout.splitlines():
        index, name, reason = line.strip().split("|", 2)
        found[int(index) if index.isdecimal() else 0] = State(name, reason)
    return found


def lives(job: str) -> bool:
    """Whether any part of a job may still do something."""
    return any(state.lives for state in states(job).values())


def refuse_stuck(job: str, found: Iterable[State]) -> None:
    """Cancel a job that will never start.

    Raises:
        CtapError: it is one; with Slurm's reason.
    """
    stuck = next((state for state in found if state.stuck), None)
    if stuck is not None:
        cancel(job)
        raise CtapError(
            f"job {job} would never start: {stuck.reason}",
            expected="what a partition of this cluster can give (sinfo shows it)",
            fix=f"ask for less in {config_path()}, by --num_nodes or by --ngpu",
        )


def cancel(job: str, wait_s: float = 0.0) -> None:
    """Cancel a job: SIGTERM now, SIGKILL after Slurm's KillWait; wait for its end."""
    _call(["scancel", job])
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and lives(job):
        time.sleep(min(POLL_S, 0.5))


def cancel_all(folder: Path) -> list[str]:
    """Cancel what earlier starts of a stage have left in its folder of jobs, wait for its end, and remove the folder."""
    found = []
    for path in folder.glob("*/job.json"):
        job = str(json.loads(path.read_text(encoding="utf-8"))["job"])
        if lives(job):
            cancel(job, 600.0)
            found.append(job)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def drop(folder: Path) -> None:
    """Remove a job's folder, and the stage's folder of jobs with the last of them."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


@contextmanager
def cancelled_with_us(job: str, wait_s: float) -> Iterator[None]:
    """Cancel a job when this process is interrupted or asked to end; not when it loses its terminal."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print(f"cancelling job {job}", flush=True)
        cancel(job, wait_s)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class Allocation:
    """The machines of the job that this process is in.

    Attributes:
        names: Names of the nodes, by rank.
        rank: The rank of this one.
        head_address: Where Slurm itself reaches the first node.
        port: A port that belongs to the job, as far as jobs of this kind go.
    """

    names: tuple[str, ...]
    rank: int
    head_address: str
    port: int

    @classmethod
    def current(cls) -> "Allocation":
        """Ask Slurm."""
        env = os.environ
        names = tuple(_ask(["scontrol", "show", "hostnames", env["SLURM_STEP_NODELIST"]]).split())
        told = re.search(r"\bNodeAddr=(\S+)", _ask(["scontrol", "--oneliner", "show", "node", names[0]]))
        return cls(names, int(env["SLURM_NODEID"]), told[1] if told else names[0], 15000 + int(env["SLURM_JOB_ID"]) % 16000)


def _ask(command: Sequence[str]) -> str:
    done = _call(command)
    if done.returncode:
        raise CtapError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout


def _call(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    try:
        # In a session of its own: Ctrl-C at the terminal must not end a half-done request.
        return subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True, **options)  # type: ignore[call-overload]
    except FileNotFoundError as error:
        raise DependencyError(f"--cmd_backend slurm needs {command[0]}, which is not on this machine") from error
