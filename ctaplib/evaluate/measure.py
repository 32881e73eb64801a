"""Measurements on files, shared by all tasks and spread over processes.

A task lists its measurements as `Job`s (a kind and an item, for example the F0 track of one file). Equal jobs are
measured once. Chunks have a fixed size, so that results do not depend on the number of processes.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctaplib.cluster.jobs import map_jobs
from ctaplib.runs.log import progress


@dataclass(frozen=True)
class Kind:
    """A kind of measurement.

    Attributes:
        function: Measures an item, or a list of items where `batched`; must pickle.
        chunk: Items given to a process at once.
        priority: Kinds with large numbers are started first, because they take longest.
        batched: Whether the function takes a chunk of items and returns a list.
    """

    function: Callable[[Any], Any]
    chunk: int = 16
    priority: int = 0
    batched: bool = False


@dataclass(frozen=True)
class Job:
    """A request: an item to be measured in one way."""

    kind: Kind
    item: Hashable


Measured = Mapping[Job, Any]


def run_jobs(jobs: Iterable[Job], processes: int) -> dict[Job, Any]:
    """Measure every distinct job; with one process, in this one.

    Raises:
        CtapError: as raised by a measurement, with the file's name.
    """
    by_kind: dict[Kind, list[Job]] = {}
    for job in dict.fromkeys(jobs):
        by_kind.setdefault(job.kind, []).append(job)
    kinds = sorted(by_kind, key=lambda kind: -kind.priority)
    chunks = [by_kind[kind][start : start + kind.chunk] for kind in kinds for start in range(0, len(by_kind[kind]), kind.chunk)]
    if processes > 1:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    results = progress(map_jobs(_measure, chunks, processes, what="measuring", parts=4), total=len(chunks), what="measuring")
    return {job: result for answers, chunk in zip(results, chunks) for job, result in zip(chunk, answers)}


def _measure(jobs: Sequence[Job]) -> list[Any]:
    kind, items = jobs[0].kind, [job.item for job in jobs]
    return kind.function(items) if kind.batched else [kind.function(item) for item in items]
