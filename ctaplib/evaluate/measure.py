"""Measurements on files, shared by all tasks and spread over processes.

A task names what it wants measured as `Job`s (a kind and an item, e.g. the F0 track of one file). Equal
wishes are measured once. Chunks have a fixed size, so results do not depend on the number of processes.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctaplib.cluster.jobs import map_jobs
from ctaplib.runs.log import progress


@dataclass(frozen=True)
class Kind:
    """A way to measure.

    Attributes:
        name: Name of the kind, for messages.
        function: From a list of items to a list of results; a module-level function.
        chunk: Items handed over at once.
        first: Large numbers are started first.
    """

    name: str
    function: Callable[[list[Any]], list[Any]]
    chunk: int = 16
    first: int = 0


@dataclass(frozen=True)
class Job:
    """One wish: an item to be measured in one way."""

    kind: Kind
    item: Hashable


Measured = Mapping[Job, Any]


def run_jobs(jobs: Iterable[Job], processes: int) -> dict[Job, Any]:
    """Measure every distinct job; with one process, in this one.

    Raises:
        CtapError: as raised by a measurement, with the file's name.
    """
    chunks = _chunks(jobs)
    done: dict[Job, Any] = {}
    if processes > 1:
        _one_thread_each()
    found = map_jobs(_measure, chunks, processes, what="measuring", parts=4)
    for results, chunk in zip(progress(found, total=len(chunks), what="measuring"), chunks):
        done.update(zip(chunk, results))
    return done


def _one_thread_each() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _chunks(jobs: Iterable[Job]) -> list[list[Job]]:
    by_kind: dict[Kind, list[Job]] = {}
    for job in dict.fromkeys(jobs):
        by_kind.setdefault(job.kind, []).append(job)
    kinds = sorted(by_kind, key=lambda kind: (-kind.first, kind.name))
    return [by_kind[kind][start : start + kind.chunk] for kind in kinds for start in range(0, len(by_kind[kind]), kind.chunk)]


def _measure(jobs: Sequence[Job]) -> list[Any]:
    return jobs[0].kind.function([job.item for job in jobs])
