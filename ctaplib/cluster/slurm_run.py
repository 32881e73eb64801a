"""Run one command on several machines as a Slurm job, and follow it as if it ran here.

The job outlives this process where the terminal is lost or this process is killed; the same command then follows the same
job. Ctrl-C or SIGTERM cancels it. A job that is pre-empted or near its time limit saves, is queued again and goes on.
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
    POLL_S,
    State,
    cancel,
    cancelled_with_us,
    drop,
    lives,
    read_options,
    refuse_stuck,
    states,
    submit,
)
from ctaplib.errors import CtapError
from ctaplib.files import write_json

CANCEL_WAIT_S = 8.0
"""How long to wait for the end of a job that was cancelled with this process; the driver gives it ten seconds."""
FILES_WAIT_S = 15.0
"""How long a file that the job wrote may take to be seen here (network file systems)."""
BEFORE_LIMIT_S = 90
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
    told=$(scontrol --oneliner show job "${{SLURM_JOB_ID}}")
    again=""
    [ "${{near_limit}}" = false ] || again="its time limit is near"
    [[ "${{told}}" =~ PreemptTime=(None|Unknown|[[:space:]]) ]] || [[ "${{told}}" != *PreemptTime=* ]] || again="it is pre-empted"
    [[ "${{told}}" != *JobState=CANCELLED* ]] || again=""
    if [ -n "${{again}}" ]; then
        echo "# saved, as ${{again}}; queued again, to go on from there"
        scontrol requeue "${{SLURM_JOB_ID}}" && exit 0
    fi
fi
echo "${{status}}" >"${{folder}}/.status" && mv "${{folder}}/.status" "${{folder}}/status"
exit "${{status}}"
"""


def run(command: Sequence[str], folder: Path, n_nodes: int, ngpu: int, config: Path) -> int:
    """Run a command on each of several machines and return its exit status; finds the job of an earlier start.

    Args:
        command: The command.
        folder: Folder of the job's files, seen by all machines.
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
    job = _living_job(folder, script, options)
    if job is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "log").touch()
        job = submit(script, options)
        write_json(folder / "job.json", {"job": job, "script": script, "options": options})
        print(f"submitted job {job}: {n_nodes} machine(s)", flush=True)
    try:
        with cancelled_with_us(job, CANCEL_WAIT_S):
            status = _follow(job, folder)
    except (KeyboardInterrupt, SystemExit):
        write_json(folder / "job.json", {"job": job, "script": "cancelled", "options": []})
        _Tail(folder / "log", at_end=True).show()
        raise
    drop(folder)
    return status


def _living_job(folder: Path, script: str, options: Sequence[str]) -> str | None:
    """The job of an earlier start that does just this; any other that is left here is cancelled."""
    try:
        known = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    job = str(known["job"])
    if not lives(job):
        return job if known["script"] == script and (folder / "status").exists() else None
    if known["script"] == script and known["options"] == list(options):
        print(f"job {job} of an earlier start is there: following it", flush=True)
        return job
    print(f"cancelling job {job} of an earlier start, which was another command or is being cancelled", flush=True)
    cancel(job, 600.0)
    return None


def _follow(job: str, folder: Path) -> int:
    """Show the job's log until it has ended; give its status."""
    tail, told = _Tail(folder / "log"), State("", "")
    while True:
        known = states(job)
        tail.show()
        state = known.get(0, State("unknown", "Slurm no longer knows it"))
        if state.waits and state != told:
            print(f"job {job} is waiting: {state.name} ({state.reason})", flush=True)
        refuse_stuck(job, [state])
        if not state.lives:
            break
        told = state
        time.sleep(POLL_S)
    deadline = time.monotonic() + FILES_WAIT_S
    killed = state.name not in ("COMPLETED", "FAILED", "unknown")
    while not (folder / "status").exists() and not killed and time.monotonic() < deadline:
        time.sleep(0.5)
    tail.show()
    if (folder / "status").exists():
        status = int((folder / "status").read_text())
        if state.name == "CANCELLED":
            print(f"error: job {job} was cancelled by somebody; what it had saved is kept", flush=True)
            return status or 143
        return status
    raise CtapError(
        f"job {job} ended before its command did: {state.name} ({state.reason})",
        fix="the same command goes on from the last checkpoint; where time or memory ran out, ask for more in conf/slurm.conf",
    )


class _Tail:
    """Shows what a file has got since the last look.

    Args:
        path: The file.
        at_end: Show nothing of what is in it now.
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
