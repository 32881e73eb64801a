"""Requests to Slurm: submit, query and cancel jobs, and find the machines of a job.

`conf/slurm.conf` holds options of sbatch, one `name=value` a line; `train.name=value` applies to training only, and
`jobs.name=value` to job arrays.
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

from ctaplib.cluster.processes import RUN_ID
from ctaplib.errors import ConfigError, CtapError, DependencyError

CONFIG = "CTAP_SLURM_CONFIG"  # environment variable: path of the config
FOLDER = "CTAP_JOBS"  # environment variable: folder for the files of jobs, beside the log of the stage
RECORD = "job.json"  # file in the folder of a job with the id of the job
POLL_S = 2.0
UNREACHABLE_S = 600.0  # seconds without an answer of the controller after which waiting ends
CANCEL_WAIT_S = 8.0  # seconds to wait for a job that is cancelled because this process ends; the driver gives this process ten
STALE_WAIT_S = 600.0  # seconds to wait for a cancelled job of an earlier start
FILES_WAIT_S = 15.0  # seconds until a file that a job wrote is visible here (network file systems)
_NEVER = (
    "PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS",
    "JobHeldAdmin", "requeued_held",
)  # fmt: skip
"""Parts of reasons for waiting that do not pass."""
OURS = ("array", "chdir", "export", "nodes", "ntasks", "ntasks-per-node", "output", "open-mode", "parsable", "signal", "wait")
"""Options that ctaplib sets; the config must not."""


def read_options(path: str | Path, kind: str) -> list[str]:
    """Read options of sbatch from a config, for `train` or for `jobs`.

    Raises:
        ConfigError: it is missing, or lines are not options (lists all of them).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the options of sbatch, {path}", fix="check --slurm_config") from error
    options: dict[str, str] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        if not (text := line.split("#")[0].strip()):
            continue
        found = re.fullmatch(r"(?:(\w+)\.)?([a-z][a-z-]*)(?:=(\S.*))?", text)
        if found is None or found[1] not in (None, "train", "jobs"):
            faults.append(f"{path}:{number}: {text!r} is not name=value, train.name=value or jobs.name=value")
        elif found[2] in OURS:
            faults.append(f"{path}:{number}: {found[2]} is set by ctaplib")
        elif found[1] in (None, kind) and (found[1] or found[2] not in options):
            options[found[2]] = f"--{found[2]}" + (f"={found[3]}" if found[3] else "")
    if faults:
        raise ConfigError("; ".join(faults), expected="options of sbatch as in conf/slurm.conf")
    return list(options.values())


def config_path() -> Path:
    """Return the config in use: `CTAP_SLURM_CONFIG`, else the recipe's own, else the shared one."""
    shared = Path(__file__).parents[2] / "conf/slurm.conf"
    return Path(os.environ.get(CONFIG) or (own if (own := Path("conf/slurm.conf")).exists() else shared))


@dataclass(frozen=True)
class State:
    """State of a job or of one task of an array, with Slurm's reason for it."""

    name: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether the job is in the queue."""
        return self.name in ("PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED", "STOPPED")

    @property
    def lives(self) -> bool:
        """Whether the job has not ended."""
        return self.waits or self.name in ("RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT")


def check_cluster() -> None:
    """Check that a cluster answers.

    Raises:
        CtapError: its controller cannot be reached; with the message of sinfo.
    """
    if shutil.which("sinfo") is None:
        raise DependencyError("--cmd_backend slurm needs the programs of Slurm (sinfo, sbatch ...), which this machine lacks")
    done = _call(["timeout", "60", "sinfo", "--noheader", "--format=%P"])
    if done.returncode:
        reason = _error_of(done) or f"status {done.returncode}"
        raise CtapError(
            f"--cmd_backend slurm: no cluster answers on this machine; sinfo: {reason}",
            fix="start this on a machine of the cluster whose controller (slurmctld) runs, or give --cmd_backend local",
        )


def submit(words: Sequence[str]) -> str:
    """Submit a job and return its id; `words`: options of sbatch, then a script and its arguments (neither with `--wrap`).

    Raises:
        CtapError: sbatch refused it; with its message.
    """
    # Without the mark of the driver run, which ends every process that carries it, and variables of a job around this one.
    environment = {k: v for k, v in os.environ.items() if k != RUN_ID and (k == "SLURM_CONF" or not k.startswith("SLURM_"))}
    done = _call(["sbatch", "--parsable", *words], env=environment)
    if done.returncode:
        check_cluster()
        raise CtapError(f"sbatch refused the job: {_error_of(done)}", fix=f"correct {config_path()} (options of sbatch)")
    return done.stdout.strip().split(";")[0]


def states(job: str) -> dict[int, State]:
    """Return the state of every task of a job that Slurm still knows; a job without an array has task 0."""
    started = time.monotonic()
    while True:
        done = _call(["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%K|%T|%r"])
        if done.returncode == 0:
            break
        if "Invalid job id" in done.stderr:
            return {}
        if time.monotonic() - started > UNREACHABLE_S:
            raise CtapError(
                f"Slurm has not answered for {UNREACHABLE_S:.0f} s: {_error_of(done)}", fix="check that its controller runs"
            )
        time.sleep(POLL_S)
    found = {}
    for line in done.stdout.splitlines():
        index, name, reason = line.strip().split("|", 2)
        found[int(index) if index.isdecimal() else 0] = State(name, reason)
    return found


def lives(job: str) -> bool:
    """Return whether any part of a job has not ended."""
    return any(state.lives for state in states(job).values())


def refuse_stuck(job: str, found: Iterable[State]) -> None:
    """Cancel a job that will never start.

    Raises:
        CtapError: it is one; with Slurm's reason.
    """
    stuck = next((state for state in found if state.waits and any(reason in state.reason for reason in _NEVER)), None)
    if stuck is not None:
        cancel(job)
        raise CtapError(
            f"job {job} would never start: {stuck.reason}",
            expected="what a partition of this cluster can give (sinfo shows it)",
            fix=f"ask for less in {config_path()}, by --num_nodes or by --ngpu",
        )


def cancel(job: str, wait_s: float = 0.0) -> None:
    """Cancel a job (SIGTERM, and SIGKILL after Slurm's KillWait) and wait for its end."""
    _call(["scancel", job])
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and lives(job):
        time.sleep(min(POLL_S, 0.5))


def cancel_recorded(folder: Path) -> str | None:
    """Cancel the living job of an earlier start in this folder, wait for its end and return its id."""
    path = folder / RECORD
    if not path.exists() or not lives(job := str(json.loads(path.read_text(encoding="utf-8"))["job"])):
        return None
    cancel(job, STALE_WAIT_S)
    return job


def cancel_all(folder: Path) -> list[str]:
    """Cancel the jobs that earlier starts of a stage left, remove the stage's folder of jobs, and return their ids."""
    found = [job for path in folder.glob(f"*/{RECORD}") if (job := cancel_recorded(path.parent))]
    shutil.rmtree(folder, ignore_errors=True)
    return found


def remove_folder(folder: Path) -> None:
    """Remove a job's folder, and the stage's folder of jobs with the last of them."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


@contextmanager
def cancelled_with_us(job: str) -> Iterator[None]:
    """Cancel a job when this process gets SIGINT or SIGTERM; not when it loses its terminal."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print(f"cancelling job {job}", flush=True)
        cancel(job, CANCEL_WAIT_S)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def machine_of_job() -> tuple[str, int, str, int]:
    """Return the name and rank of this machine in its job, and the address and port where the machines of the job meet."""
    names = _answer(["scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"]]).split()
    address = re.search(r"\bNodeAddr=(\S+)", _answer(["scontrol", "--oneliner", "show", "node", names[0]]))
    rank = int(os.environ["SLURM_NODEID"])
    port = 15000 + int(os.environ["SLURM_JOB_ID"]) % 16000  # jobs on one machine use different ones
    return names[rank], rank, address[1] if address else names[0], port


def _answer(command: Sequence[str]) -> str:
    done = _call(command)
    if done.returncode:
        raise CtapError(f"{' '.join(command)}: {_error_of(done)}")
    return done.stdout


def _error_of(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join(done.stderr.split())


def _call(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    try:
        # In a session of its own: Ctrl-C at the terminal must not end a half-done request.
        return subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True, **options)  # type: ignore[call-overload]
    except FileNotFoundError as error:
        raise DependencyError(f"--cmd_backend slurm needs {command[0]}, which is not on this machine") from error
