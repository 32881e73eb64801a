"""Run one command on several machines as a Slurm job and follow its log.

The job outlives this process where the terminal is lost or this process is killed; the same command then follows the same
job. Ctrl-C or SIGTERM cancels it. A job that is pre-empted or near its time limit saves, is queued again and resumes.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ctaplib.cluster import slurm
from ctaplib.errors import STOPPED, CtapError
from ctaplib.files import write_json

BEFORE_LIMIT_S = 90  # seconds before the time limit at which the job saves
SCRIPT = Path(__file__).with_name("train_job.sh")


def run(command: Sequence[str], folder: Path, n_nodes: int, ngpu: int, config: Path) -> int:
    """Run a command on each of `n_nodes` machines, with `ngpu` GPUs each, and return its exit status.

    Args:
        folder: Folder of the job's files, visible on all machines.
        config: Options of sbatch.

    Raises:
        CtapError: Slurm refuses the job, or ends it before the command has ended.
    """
    os.environ[slurm.CONFIG] = str(config)
    options = [
        *slurm.read_options(config, "train"),
        f"--nodes={n_nodes}", f"--ntasks={n_nodes}", "--ntasks-per-node=1", "--export=ALL", "--requeue",
        "--open-mode=append", f"--output={folder}/log", f"--signal=B:USR1@{BEFORE_LIMIT_S}",
        *([f"--gpus-per-node={ngpu}"] if ngpu else []), str(SCRIPT), str(folder), *command,
    ]  # fmt: skip
    job = _find_job(folder, options)
    if job is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "log").touch()
        job = slurm.submit(options)
        write_json(folder / slurm.RECORD, {"job": job, "options": options})
        print(f"submitted job {job}: {n_nodes} machine(s)", flush=True)
    try:
        with slurm.cancelled_with_us(job):
            status = _follow(job, folder)
    except (KeyboardInterrupt, SystemExit):
        write_json(folder / slurm.RECORD, {"job": job, "options": []})
        raise
    slurm.remove_folder(folder)
    return status


def _find_job(folder: Path, options: Sequence[str]) -> str | None:
    """Return the job of an earlier start with the same command and options; cancel any other."""
    try:
        record = json.loads((folder / slurm.RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    job, same = str(record["job"]), record["options"] == options
    if not slurm.lives(job):
        return job if same and (folder / "status").exists() else None
    if same:
        print(f"job {job} of an earlier start is there: following it", flush=True)
        return job
    print(f"cancelling job {job} of an earlier start, which was another command or is being cancelled", flush=True)
    slurm.cancel(job, slurm.STALE_WAIT_S)
    return None


def _follow(job: str, folder: Path) -> int:
    """Print the job's log until the job has ended and return its status."""
    printed, state = 0, slurm.State("", "")
    while True:
        before, state = state, slurm.states(job).get(0, slurm.State("unknown", "Slurm no longer knows it"))
        printed = _print_log(folder, printed)
        if state.waits and state != before:
            print(f"job {job} is waiting: {state.name} ({state.reason})", flush=True)
        slurm.refuse_stuck(job, [state])
        if not state.lives:
            break
        time.sleep(slurm.POLL_S)
    deadline = time.monotonic() + slurm.FILES_WAIT_S
    killed = state.name not in ("COMPLETED", "FAILED", "unknown")
    while not (folder / "status").exists() and not killed and time.monotonic() < deadline:
        time.sleep(0.5)
    _print_log(folder, printed)
    if not (folder / "status").exists():
        raise CtapError(
            f"job {job} ended before its command did: {state.name} ({state.reason})",
            fix="the same command resumes from the last checkpoint; where time or memory ran out, raise it in conf/slurm.conf",
        )
    status = int((folder / "status").read_text())
    if state.name == "CANCELLED":
        print(f"error: job {job} was cancelled from outside; its checkpoints are kept", flush=True)
        return status or STOPPED
    return status


def _print_log(folder: Path, start: int) -> int:
    """Print the job's log from byte `start` and return its length; opened anew, as network file systems cache open files."""
    with open(folder / "log", "rb") as log:
        log.seek(start)
        shutil.copyfileobj(log, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return log.tell()
