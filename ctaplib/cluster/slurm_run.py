"""Run one command on several machines as a Slurm job and follow its log.

The job outlives this process where the terminal is lost or this process is killed; the same command then follows the same
job. Ctrl-C or SIGTERM cancels it. A job that is pre-empted or near its time limit saves, is queued again and resumes.
"""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ctaplib.cluster.slurm import (
    CONFIG,
    FILES_WAIT_S,
    POLL_S,
    RECORD,
    STALE_WAIT_S,
    State,
    cancel,
    cancelled_with_us,
    lives,
    read_options,
    refuse_stuck,
    remove_folder,
    states,
    submit,
)
from ctaplib.errors import CtapError
from ctaplib.files import write_json

BEFORE_LIMIT_S = 90
"""Seconds before the time limit at which the job saves."""
SCRIPT = r"""#!/usr/bin/env bash
# Written by ctaplib: one training on several machines.
cd {cwd} || exit 1
folder={folder}
rm -f "${{folder}}/stopped" "${{folder}}/failed" "${{folder}}/status"
near_limit=false
trap 'near_limit=true; scancel --signal=TERM "${{SLURM_JOB_ID}}"' USR1
trap : TERM
echo "# job ${{SLURM_JOB_ID}} on ${{SLURM_JOB_NODELIST}}, start $((${{SLURM_RESTART_COUNT:-0}} + 1))"
cores=() # which srun does not take over from sbatch since Slurm 22.05
[ -z "${{SLURM_CPUS_PER_TASK:-}}" ] || cores=("--cpus-per-task=${{SLURM_CPUS_PER_TASK}}")
srun --kill-on-bad-exit=1 --export=ALL "${{cores[@]}}" {command} &
child=$!
status=0
while kill -0 "${{child}}" 2>/dev/null; do
    status=0
    wait "${{child}}" || status=$?
done
[ ! -e "${{folder}}/stopped" ] || status=143
if [ -e "${{folder}}/failed" ]; then
    status=$(cat "${{folder}}/failed") # not that of a machine that was stopped for it
elif [ "${{status}}" -eq 143 ]; then
    job=$(scontrol --oneliner show job "${{SLURM_JOB_ID}}")
    again=""
    [ "${{near_limit}}" = false ] || again="its time limit is near"
    [[ "${{job}}" =~ PreemptTime=(None|Unknown|[[:space:]]) ]] || [[ "${{job}}" != *PreemptTime=* ]] || again="it is pre-empted"
    [[ "${{job}}" != *JobState=CANCELLED* ]] || again=""
    if [ -n "${{again}}" ]; then
        echo "# saved, as ${{again}}; queued again, to resume from there"
        scontrol requeue "${{SLURM_JOB_ID}}" && exit 0
    fi
fi
echo "${{status}}" >"${{folder}}/.status" && mv "${{folder}}/.status" "${{folder}}/status"
exit "${{status}}"
"""


def run(command: Sequence[str], folder: Path, n_nodes: int, ngpu: int, config: Path) -> int:
    """Run a command on each of several machines and return its exit status.

    Args:
        command: The command.
        folder: Folder of the job's files, visible on all machines.
        n_nodes: Number of machines.
        ngpu: GPUs of each machine.
        config: Options of sbatch.

    Raises:
        CtapError: Slurm refuses the job, or ends it before the command has ended.
    """
    os.environ[CONFIG] = str(config)
    script = SCRIPT.format(cwd=shlex.quote(str(Path.cwd())), folder=shlex.quote(str(folder)), command=shlex.join(command))
    options = [
        *read_options(config, "train"),
        f"--nodes={n_nodes}", f"--ntasks={n_nodes}", "--ntasks-per-node=1", "--export=ALL", "--requeue",
        "--open-mode=append", f"--output={folder}/log", f"--signal=B:USR1@{BEFORE_LIMIT_S}",
    ]  # fmt: skip
    if ngpu:
        options.append(f"--gpus-per-node={ngpu}")
    job = _find_job(folder, script, options)
    if job is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "log").touch()
        job = submit(script, options)
        write_json(folder / RECORD, {"job": job, "script": script, "options": options})
        print(f"submitted job {job}: {n_nodes} machine(s)", flush=True)
    try:
        with cancelled_with_us(job):
            status = _follow(job, folder)
    except (KeyboardInterrupt, SystemExit):
        write_json(folder / RECORD, {"job": job, "script": "cancelled", "options": []})
        _Tail(folder / "log", at_end=True).show()
        raise
    remove_folder(folder)
    return status


def _find_job(folder: Path, script: str, options: Sequence[str]) -> str | None:
    """Return the job of an earlier start with the same command and options; cancel any other."""
    try:
        known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    job = str(known["job"])
    if not lives(job):
        return job if known["script"] == script and (folder / "status").exists() else None
    if known["script"] == script and known["options"] == list(options):
        print(f"job {job} of an earlier start is there: following it", flush=True)
        return job
    print(f"cancelling job {job} of an earlier start, which was another command or is being cancelled", flush=True)
    cancel(job, STALE_WAIT_S)
    return None


def _follow(job: str, folder: Path) -> int:
    """Print the job's log until the job has ended and return its status."""
    tail, shown = _Tail(folder / "log"), State("", "")
    while True:
        known = states(job)
        tail.show()
        state = known.get(0, State("unknown", "Slurm no longer knows it"))
        if state.waits and state != shown:
            print(f"job {job} is waiting: {state.name} ({state.reason})", flush=True)
        refuse_stuck(job, [state])
        if not state.lives:
            break
        shown = state
        time.sleep(POLL_S)
    deadline = time.monotonic() + FILES_WAIT_S
    killed = state.name not in ("COMPLETED", "FAILED", "unknown")
    while not (folder / "status").exists() and not killed and time.monotonic() < deadline:
        time.sleep(0.5)
    tail.show()
    if (folder / "status").exists():
        status = int((folder / "status").read_text())
        if state.name == "CANCELLED":
            print(f"error: job {job} was cancelled from outside; its checkpoints are kept", flush=True)
            return status or 143
        return status
    raise CtapError(
        f"job {job} ended before its command did: {state.name} ({state.reason})",
        fix="the same command resumes from the last checkpoint; where time or memory ran out, ask for more in conf/slurm.conf",
    )


class _Tail:
    """Prints what is appended to a file.

    Args:
        path: The file.
        at_end: Skip what is in it now.
    """

    def __init__(self, path: Path, at_end: bool = False) -> None:
        self.path = path
        self.place = path.stat().st_size if at_end and path.exists() else 0

    def show(self) -> None:
        """Print the new part."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as handle:
            handle.seek(self.place)
            while chunk := handle.read(65536):
                self.place += len(chunk)
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
