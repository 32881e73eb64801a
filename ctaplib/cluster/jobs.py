"""Parallel work on a list: processes of this machine, or a Slurm job array; the results are the same, in the same order.

`CTAP_CMD_BACKEND` says which (recipe.sh --cmd_backend). An array's files lie in a folder beside the log of the stage: what to
call, the items of each task, its log and its results. `python -m ctaplib.cluster.jobs FOLDER TASK` is one task.
"""

import hashlib
import json
import os
import pickle
import re
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ctaplib.cluster.slurm import (
    FOLDER,
    POLL_S,
    State,
    cancel,
    cancelled_with_us,
    config_path,
    drop,
    lives,
    read_options,
    refuse_stuck,
    states,
    submit,
)
from ctaplib.errors import ConfigError, CtapError, StageError
from ctaplib.files import atomic_write, write_json
from ctaplib.runs.log import get_logger

Item = TypeVar("Item")
Result = TypeVar("Result")
log = get_logger("ctaplib.cluster.jobs")

BACKEND = "CTAP_CMD_BACKEND"
BACKENDS = ("local", "slurm")
MOST_TASKS = 1000
"""Slurm's usual largest array."""
FILES_WAIT_S = 15.0
"""How long a result may take to be seen here after its task ended (network file systems)."""
CANCEL_WAIT_S = 8.0
TELL_EVERY_S = 30.0
_Setup = tuple[Callable[..., Any], tuple[Any, ...]]


def backend() -> str:
    """Where parallel work is done: `local` or `slurm`.

    Raises:
        ConfigError: it is another word.
    """
    name = os.environ.get(BACKEND) or "local"
    if name not in BACKENDS:
        raise ConfigError(f"{BACKEND}={name}", expected=" or ".join(BACKENDS), fix="check --cmd_backend")
    return name


def map_jobs(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    nj: int,
    *,
    what: str,
    context: str = "spawn",
    setup: _Setup | None = None,
    chunk: int = 1,
    at_least: int = 2,
    apart: bool = False,
    parts: int = 1,
    keep: bool = False,
) -> Iterator[Result]:
    """Apply a function to items in parallel.

    Args:
        function: A function that pickles (of a module, or a `partial` of one); its own data are sent once.
        items: What to work on.
        nj: Processes, or tasks that Slurm runs at once; with one process, the work is done in this one.
        what: Name of the work, for messages and files; one at a time has it.
        context: How processes of this machine are started: `fork` or `spawn`.
        setup: A function with its arguments that every process calls first.
        chunk: Items that a process of this machine takes at once.
        at_least: Fewer items than this are worked on in this process, whatever the back end.
        apart: Never work in this process.
        parts: Tasks for each of the `nj` at once, where items differ in cost.
        keep: Results of an array that failed or was cancelled are used by the next start of the same stage; for functions
            whose result depends on the function, the items and what the stage's stamp covers.

    Yields:
        The result of every item, in order.

    Raises:
        Exception: what the function raised for the first item that failed.
        StageError: a task of the array was ended from outside.
    """
    if backend() == "slurm" and len(items) >= at_least:
        yield from _Array(what, min(len(items), nj * parts, MOST_TASKS), keep).run(function, items, setup, nj)
    elif (nj <= 1 or len(items) < at_least) and not apart:
        if setup is not None:
            setup[0](*setup[1])
        yield from map(function, items)
    else:
        import multiprocessing  # here: most commands start no processes
        from concurrent.futures import ProcessPoolExecutor

        start = multiprocessing.get_context(context)
        with ProcessPoolExecutor(max(1, min(nj, len(items))), start, initializer=_begin, initargs=(function, setup)) as pool:
            try:
                yield from pool.map(_call, items, chunksize=chunk)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


_function: list[Callable[[Any], Any]] = []


def _begin(function: Callable[[Any], Any], setup: _Setup | None) -> None:
    _function[:] = [function]
    if setup is not None:
        setup[0](*setup[1])


def _call(item: Any) -> Any:
    return _function[0](item)


class _Array:
    """A job array and the folder of its files.

    Args:
        what: Name of the work.
        tasks: How many tasks it has.
        keep: Whether results of an earlier start may be used.
    """

    def __init__(self, what: str, tasks: int, keep: bool) -> None:
        self.what, self.tasks = what, tasks
        self.keep = keep and FOLDER in os.environ
        self.folder = Path(os.environ.get(FOLDER, "jobs")).absolute() / re.sub(r"\W+", "_", what)

    def run(self, function: Callable, items: Sequence[Any], setup: _Setup | None, nj: int) -> Iterator[Any]:
        """Submit what is not there, wait, yield the results, remove the folder."""
        options = [*read_options(config_path(), "jobs"), f"--output={self.folder}/log.%a", "--open-mode=append", "--requeue"]
        job = self._prepare(function, items, setup)
        missing = [task for task in range(1, self.tasks + 1) if not _result(self.folder, task).exists()]
        if job is None and missing:
            if len(missing) < self.tasks:
                log.info("%s: %d of %d tasks are there from before", self.what, self.tasks - len(missing), self.tasks)
            listed = ",".join(map(str, missing)) if len(missing) < self.tasks else f"1-{self.tasks}"
            job = submit(_script(self.folder), [*options, f"--array={listed}%{max(1, nj)}"])
            write_json(self.folder / "job.json", {"job": job})
            log.info("%s: job array %s of %d task(s)", self.what, job, len(missing))
        if job is not None:
            with cancelled_with_us(job, CANCEL_WAIT_S):
                self._wait(job)
        for task in range(1, self.tasks + 1):
            yield from self._read(task)
        drop(self.folder)

    def _prepare(self, function: Callable, items: Sequence[Any], setup: _Setup | None) -> str | None:
        """Write what the tasks read; give the living job of an earlier start that does the same."""
        bounds = [round(i * len(items) / self.tasks) for i in range(self.tasks + 1)]
        pickles = {"call.pkl": _pickle((function, setup), self.what)}
        for task, (start, end) in enumerate(zip(bounds, bounds[1:]), 1):
            pickles[f"items.{task}.pkl"] = _pickle(list(items[start:end]), self.what)
        digest = _digest([_code(), *pickles.values()])
        known = _read_text(self.folder / "digest")
        record = _read_text(self.folder / "job.json")
        job = str(json.loads(record)["job"]) if record else None
        alive = job is not None and lives(job)
        if self.keep and known == digest:
            for task in range(1, self.tasks + 1):
                if (self.folder / f"error.{task}.pkl").exists():
                    (self.folder / f"error.{task}.pkl").unlink()
                    alive = False  # it is being cancelled
            if alive:
                log.info("%s: job array %s of an earlier start is there: waiting for it", self.what, job)
                return job
        if alive and job is not None:
            cancel(job, 600.0)
        if not self.keep or known != digest:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            for name, data in pickles.items():
                with atomic_write(self.folder / name, "wb") as out:
                    out.write(data)
            with atomic_write(self.folder / "digest") as out:
                out.write(digest)
        (self.folder / "job.json").unlink(missing_ok=True)
        return None

    def _wait(self, job: str) -> None:
        """Wait for all tasks.

        Raises:
            Exception: what a task raised; the others are cancelled.
            StageError: tasks were ended from outside; the others have come to their end.
        """
        told, told_at = (0, 0), time.monotonic()
        known: dict[int, State] = {}
        while True:
            now_known = states(job)
            known.update(now_known)  # Slurm soon forgets tasks that ended
            there = [task for task in range(1, self.tasks + 1) if _result(self.folder, task).exists()]
            for task in range(1, self.tasks + 1):
                self._raise_error(task, job)
            refuse_stuck(job, now_known.values())
            alive = [state for state in now_known.values() if state.lives]
            if len(there) == self.tasks:
                return
            if not alive:
                break
            now = (len(there), sum(state.waits for state in alive))
            if now != told and time.monotonic() - told_at > TELL_EVERY_S:
                why = next((f" ({state.reason})" for state in alive if state.waits), "")
                log.info("%s: %d of %d tasks done, %d waiting%s", self.what, now[0], self.tasks, now[1], why)
                told, told_at = now, time.monotonic()
            time.sleep(POLL_S)
        deadline = time.monotonic() + FILES_WAIT_S
        while missing := [task for task in range(1, self.tasks + 1) if not _result(self.folder, task).exists()]:
            for task in missing:
                self._raise_error(task, job)
            ended = {known[task].name for task in missing if task in known}
            if time.monotonic() > deadline or (ended and not ended & {"COMPLETED", "FAILED"}):
                break
            time.sleep(0.5)
        if missing:
            first = missing[0]
            last = known.get(first, State("unknown", ""))
            state = f"cancelled or lost, {last.name} when last seen" if last.lives else f"{last.name} ({last.reason})"
            raise StageError(
                f"{self.what}: {len(missing)} of {self.tasks} tasks of job array {job} ended before their work did, "
                f"the first is task {first}: {state}; its log is {self.folder}/log.{first}",
                fix="start the same command again"
                + (", which runs these tasks alone" if self.keep else "")
                + "; where time or memory ran out, ask for more in conf/slurm.conf (jobs.time, jobs.mem)",
            )

    def _raise_error(self, task: int, job: str) -> None:
        path = self.folder / f"error.{task}.pkl"
        if not path.exists():
            return
        with open(path, "rb") as handle:
            error = pickle.load(handle)
        log.warning("%s: task %d of %d failed; its log is %s/log.%d", self.what, task, self.tasks, self.folder, task)
        cancel(job, CANCEL_WAIT_S)
        raise error

    def _read(self, task: int) -> Iterator[Any]:
        with open(_result(self.folder, task), "rb") as handle:
            while True:
                try:
                    yield pickle.load(handle)
                except EOFError:
                    return


def run_task(folder: Path, task: int) -> int:
    """Do one task of an array: read its items, write its results or its error."""
    try:
        with open(folder / "call.pkl", "rb") as handle:
            function, setup = pickle.load(handle)
        with open(folder / f"items.{task}.pkl", "rb") as handle:
            items = pickle.load(handle)
        if setup is not None:
            setup[0](*setup[1])
        with atomic_write(_result(folder, task), "wb") as out:
            for item in items:
                pickle.dump(function(item), out)
    except Exception as error:
        traceback.print_exc()
        with atomic_write(folder / f"error.{task}.pkl", "wb") as out:
            try:
                out.write(pickle.dumps(error))
            except Exception:  # it holds something that cannot be sent
                out.write(pickle.dumps(CtapError(f"{type(error).__name__}: {error}", fix=f"see {folder}/log.{task}")))
        return 1
    return 0


def _script(folder: Path) -> str:
    return (
        "#!/usr/bin/env bash\n# Written by ctaplib: one task of a job array.\n"
        'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OMP_WAIT_POLICY=PASSIVE\n'
        f"cd {shlex.quote(str(Path.cwd()))} || exit 1\n"
        f'exec {shlex.quote(sys.executable)} -m ctaplib.cluster.jobs {shlex.quote(str(folder))} "${{SLURM_ARRAY_TASK_ID}}"\n'
    )


def _result(folder: Path, task: int) -> Path:
    return folder / f"result.{task}.pkl"


def _pickle(value: object, what: str) -> bytes:
    try:
        data = pickle.dumps(value)
        if b"__main__" in data:
            raise pickle.PicklingError("it belongs to the script that was started, which a job cannot import")
        return data
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise CtapError(f"{what} cannot be sent to a job: {error}", fix="run it with --cmd_backend local") from error


def _code() -> bytes:
    """The library's sources: results of another version are not used."""
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    # As a module of its own name, so that its logger and classes are the ones that results refer to.
    from ctaplib.cluster.jobs import run_task as _run_task

    sys.exit(_run_task(Path(sys.argv[1]), int(sys.argv[2])))
