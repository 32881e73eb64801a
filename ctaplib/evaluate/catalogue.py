"""The table of results: which metrics every task has, for which systems, in which unit, and who judges.

`metrics.tsv` has a line for each metric; `ctaplib/methods/base.py` declares the systems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctaplib.evaluate.results import Key, Row
from ctaplib.files import read_tsv
from ctaplib.methods.base import SYSTEMS, Method, systems

SPEAKER_JUDGE = "resemblyzer"
SPEECH_JUDGE = "ctc_judge"

SEARCHED = "_lm"
"""Suffix of systems whose phones were searched with an n-gram; they have rows only where a recipe makes the search."""


@dataclass(frozen=True)
class Metric:
    """A metric of a task.

    Attributes:
        name: As in the rows.
        unit: Unit of the value.
        judge: Model that decides; None for a measurement.
        needs: Abilities without which a method cannot have it.
        title: Heading of its column in the tables.
    """

    name: str
    unit: str
    judge: str | None
    needs: tuple[str, ...]
    title: str


def _read_metrics() -> dict[str, tuple[Metric, ...]]:
    tasks: dict[str, tuple[Metric, ...]] = {}
    for row in read_tsv(Path(__file__).with_name("metrics.tsv")):
        judge, needs = (None if row[name] == "-" else row[name] for name in ("judge", "needs"))
        metric = Metric(row["metric"], row["unit"], judge, tuple((needs or "").split()), row["title"])
        tasks[row["task"]] = (*tasks.get(row["task"], ()), metric)
    return tasks


METRICS = _read_metrics()
"""Metrics by task."""
METRIC_TITLES = {metric.name: metric.title for metrics in METRICS.values() for metric in metrics}


def keys(method: Method, sets: Sequence[str]) -> list[Key]:
    """Return the keys of all rows that the scoring of a method makes, in the order of the tables."""
    return [
        (task, metric.name, set_, method.system(task, system.name), metric.judge or "")
        for task, metrics in METRICS.items()
        for set_ in sets
        for system in systems(task)
        for metric in metrics
    ]


def rows_of_others(rows: Sequence[Row], method: Method) -> list[Row]:
    """Return the rows whose systems belong neither to the method nor to all methods."""
    own = {(system.task, method.system(system.task, system.name)) for system in SYSTEMS}
    return [row for row in rows if (row.task, row.system.removesuffix(SEARCHED)) not in own]
