"""Parallel map over a list: processes of this machine, or a Slurm job array; same results, same order.

`CTAP_CMD_BACKEND` chooses (recipe.sh --cmd_backend). The files of an array lie in a folder beside the log of the stage: the
function, the items of each task, its log and its results. `python -m ctaplib.cluster.jobs FOLDER TASK` runs one task.
"""

import math
import os
import pickle
import re
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ctaplib.cluster import slurm
from ctaplib.cluster.options import backend
from ctaplib.errors import CtapError, StageError
from ctaplib.files import atomic_write, write_json
from ctaplib.runs.log import get_logger

Item = TypeVar("Item")
Result = TypeVar("Result")
log = get_logger("ctaplib.cluster.jobs")

MAX_TASKS = 1000  # Slurm's usual largest array
LOG_EVERY_S = 30.0
_Setup = tuple[Callable[..., Any], tuple[Any, ...]]


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
) -> Iterator[Result]:
    """Apply a function to items in parallel.

    Args:
        function: A function that pickles (of a module, or a `partial` of one); its own data are sent once.
        nj: Number of processes, or of Slurm tasks at once; a single process means this one.
        what: Name of the work, for messages and files; must be unique among the work that runs at one time.
        context: How processes of this machine are started: `fork` or `spawn`.
        setup: A function with its arguments that every process calls first.
        chunk: Number of items that a process of this machine takes at once.
        at_least: With fewer items than this, this process does the work, whatever the back end.
        apart: Never work in this process.
        parts: Tasks for each of the `nj` at once, where items differ in cost.

    Yields:
        The result of every item, in order.

    Raises:
        Exception: what the function raised for the first item that failed.
        StageError: a task of the array was killed.
        ConfigError: `CTAP_CMD_BACKEND` is neither `local` nor `slurm`.
    """
    if backend(os.environ.get("CTAP_CMD_BACKEND") or "local") == "slurm" and len(items) >= at_least:
        yield from _Array(what, min(len(items), nj * parts, MAX_TASKS)).run(function, items, setup, nj)
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
    """A job array, whose tasks are counted from 1, and the folder of its files."""

    def __init__(self, what: str, tasks: int) -> None:
        self.what, self.tasks = what, tasks
        self.folder = Path(os.environ.get(slurm.FOLDER, "jobs")).absolute() / re.sub(r"\W+", "_", what)

    def run(self, function: Callable, items: Sequence[Any], setup: _Setup | None, nj: int) -> Iterator[Any]:
        """Submit the tasks, wait, yield the results, remove the folder."""
        # Every task runs one thread: the cores of its machine are shared with other tasks.
        threads = "OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=PASSIVE"
        program = shlex.join([sys.executable, "-m", "ctaplib.cluster.jobs", str(self.folder)])
        options = [*slurm.read_options(slurm.config_path(), "jobs"), "--open-mode=append", "--requeue"]
        options += [f"--output={self.folder}/log.%a", f"--array=1-{self.tasks}%{max(1, nj)}"]
        options.append(f'--wrap={threads} exec {program} "$SLURM_ARRAY_TASK_ID"')
        self._prepare(function, items, setup)
        job = slurm.submit(options)
        write_json(self.folder / slurm.RECORD, {"job": job})
        log.info("%s: job array %s of %d task(s)", self.what, job, self.tasks)
        with slurm.cancelled_with_us(job):
            self._wait(job)
        for task in range(1, self.tasks + 1):
            yield from _load(_result(self.folder, task))
        slurm.remove_folder(self.folder)

    def _missing(self) -> list[int]:
        return [task for task in range(1, self.tasks + 1) if not _result(self.folder, task).exists()]

    def _prepare(self, function: Callable, items: Sequence[Any], setup: _Setup | None) -> None:
        """Cancel the array of an earlier start, and write what the tasks read."""
        bounds = [round(i * len(items) / self.tasks) for i in range(self.tasks + 1)]
        pickles = {"call.pkl": _pickle((function, setup), self.what)}
        for task, (start, end) in enumerate(zip(bounds, bounds[1:]), 1):
            pickles[f"items.{task}.pkl"] = _pickle(list(items[start:end]), self.what)
        slurm.cancel_recorded(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name, data in pickles.items():
            (self.folder / name).write_bytes(data)

    def _wait(self, job: str) -> None:
        """Wait for the results of all tasks.

        Raises:
            Exception: what a task raised; the others are cancelled.
            StageError: tasks were killed; the others have ended.
        """
        logged_at, deadline = time.monotonic(), math.inf
        known: dict[int, slurm.State] = {}
        while missing := self._missing():
            for task in missing:
                self._raise_error(task, job)
            found = slurm.states(job)
            known |= found  # Slurm soon forgets tasks that ended
            slurm.refuse_stuck(job, found.values())
            now = time.monotonic()
            if not any(state.lives for state in found.values()):
                last = {known[task].name for task in missing if task in known}
                killed = last and not {"COMPLETED", "FAILED", "RUNNING", "COMPLETING"} & last
                deadline = min(deadline, now + slurm.FILES_WAIT_S)
                if (missing := self._missing()) and (killed or now > deadline):
                    raise self._killed(job, missing, known)
            elif now - logged_at > LOG_EVERY_S:
                reasons = [state.reason for state in found.values() if state.waits]
                why = f" ({reasons[0]})" if reasons else ""
                log.info(
                    "%s: %d of %d tasks done, %d waiting%s", self.what, self.tasks - len(missing), self.tasks, len(reasons), why
                )
                logged_at = now
            time.sleep(slurm.POLL_S)

    def _killed(self, job: str, missing: Sequence[int], known: dict[int, slurm.State]) -> StageError:
        last = known.get(missing[0], slurm.State("unknown", ""))
        state = f"cancelled or lost, {last.name} when last seen" if last.lives else f"{last.name} ({last.reason})"
        return StageError(
            f"{self.what}: {len(missing)} of {self.tasks} tasks of job array {job} ended before their work did, "
            f"the first is task {missing[0]}: {state}; its log is {self.folder}/log.{missing[0]}",
            fix="start the same command again; where time or memory ran out, raise jobs.time or jobs.mem in conf/slurm.conf",
        )

    def _raise_error(self, task: int, job: str) -> None:
        path = self.folder / f"error.{task}.pkl"
        if not path.exists():
            return
        log.warning("%s: task %d of %d failed; its log is %s/log.%d", self.what, task, self.tasks, self.folder, task)
        slurm.cancel(job, slurm.CANCEL_WAIT_S)
        raise next(_load(path))


def run_task(folder: Path, task: int) -> int:
    """Run one task of an array: read its items, write its results or its error."""
    try:
        function, setup = next(_load(folder / "call.pkl"))
        items = next(_load(folder / f"items.{task}.pkl"))
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
            except Exception:  # it holds something that does not pickle
                out.write(pickle.dumps(CtapError(f"{type(error).__name__}: {error}", fix=f"see {folder}/log.{task}")))
        return 1
    return 0


def _result(folder: Path, task: int) -> Path:
    return folder / f"result.{task}.pkl"


def _load(path: Path) -> Iterator[Any]:
    """Yield the objects that were pickled one after the other into a file."""
    with open(path, "rb") as handle:
        while True:
            try:
                yield pickle.load(handle)
            except EOFError:
                return


def _pickle(value: object, what: str) -> bytes:
    try:
        data = pickle.dumps(value)
        if b"__main__" in data:
            raise pickle.PicklingError("it belongs to the script that was started, which a job cannot import")
        return data
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise CtapError(f"{what} cannot be sent to a job: {error}", fix="run it with --cmd_backend local") from error


if __name__ == "__main__":
    # As a module of its own name, so that its logger and classes are the ones that results refer to.
    from ctaplib.cluster.jobs import run_task as _run_task

    sys.exit(_run_task(Path(sys.argv[1]), int(sys.argv[2])))
