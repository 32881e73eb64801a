"""Rows arranged for readers: one table a task and set, systems down, metrics across."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctaplib.evaluate.catalogue import METRIC_TITLES
from ctaplib.evaluate.results import Row
from ctaplib.report.paper_rows import HOW, PaperRows

TASK_TITLES = {
    "align": "Alignment",
    "pretrain": "Pre-training",
    "asr": "Recognition",
    "tts": "Synthesis",
    "vc": "Conversion",
    "resynthesis": "Resynthesis",
    "judge": "The judge itself",
}
_BARE = {"cosine", "index", "correlation", "ratio", "MOS-LQO", "codes"}


@dataclass(frozen=True)
class Table:
    """Cells of one task on one set.

    Attributes:
        systems: Names down the side; systems with no number at all are left out.
        metrics: Names across the top.
        cells: Row by (system, metric).
        absent: Systems without any number, with the reason.
    """

    task: str
    set: str
    systems: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: dict[tuple[str, str], Row]
    absent: dict[str, str]

    def value(self, system: str, metric: str) -> float | None:
        """Return the number of a cell; None where there is none."""
        row = self.cells.get((system, metric))
        return None if row is None else row.value

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Metrics of which some system has a number, with their headings."""
        heads = {metric: _heading(row) for (_, metric), row in self.cells.items()}
        return [(m, heads[m]) for m in self.metrics if any(self.value(s, m) is not None for s in self.systems)]


def arrange(rows: Sequence[Row]) -> list[Table]:
    """Arrange rows as tables: tasks, and sets within a task, in the order of their first row."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        groups.setdefault(row.task, {}).setdefault(row.set, []).append(row)
    return [_table(task, set_, group) for task, sets in groups.items() for set_, group in sets.items()]


def _table(task: str, set_: str, rows: Sequence[Row]) -> Table:
    systems = dict.fromkeys(row.system for row in rows)
    measured = {row.system for row in rows if row.value is not None}
    absent = {system: next(row.why or "" for row in rows if row.system == system) for system in systems if system not in measured}
    return Table(
        task,
        set_,
        tuple(system for system in systems if system in measured),
        tuple(dict.fromkeys(row.metric for row in rows)),
        {(row.system, row.metric): row for row in rows},
        absent,
    )


def _heading(row: Row) -> str:
    """Return the name of a column with its unit and judge."""
    unit = "" if row.unit in _BARE else f", {row.unit}"
    judge = f" ({row.judge})" if row.judge else ""
    return f"{METRIC_TITLES.get(row.metric, row.metric)}{unit}{judge}"


def number(value: float) -> str:
    """Format a number with three or four significant digits, without exponent."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    size = abs(value)
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def interval(row: Row) -> str:
    """Format the interval of a row in brackets; empty without one."""
    return "" if row.ci95 is None else f"[{number(row.ci95[0])}, {number(row.ci95[1])}]"


def gaps(table: Table) -> list[tuple[str, str]]:
    """Return the empty cells of the systems shown, and why they are empty."""
    return _grouped(table, lambda row: row.why if row.value is None else None)


def notes(table: Table) -> list[tuple[str, str]]:
    """Return the cells with a note, and the note."""
    return _grouped(table, lambda row: row.note if row.value is not None else None)


def _grouped(table: Table, remark: Callable[[Row], str | None]) -> list[tuple[str, str]]:
    """Join cells that share a remark to one phrase, "systems (metrics)"."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for system in table.systems:
        for metric in table.metrics:
            row = table.cells.get((system, metric))
            text = remark(row) if row is not None else None
            if text:
                metrics.setdefault((text, system), []).append(METRIC_TITLES.get(metric, metric))
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (text, system), names in metrics.items():
        together.setdefault((text, tuple(names)), []).append(system)
    return [(f"{', '.join(systems)} ({'; '.join(names)})", text) for (text, names), systems in together.items()]


PUBLISHED = ("system", "metric", "value", "source", "why not comparable")
RUNS = ("task", "system", "config hash", "seed")


def published(task: str, papers: PaperRows) -> list[tuple[str, ...]]:
    """Return the published numbers of a task, with the columns `PUBLISHED`."""
    return [
        (row.system, METRIC_TITLES.get(row.metric, row.metric), f"{number(row.value)} {row.unit}",
         f"{row.source} ({HOW.get(row.how, row.how)})", row.why_not)
        for row in papers.rows if row.task == task
    ]  # fmt: skip


def runs(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the trained runs behind rows, with the columns `RUNS`."""
    found = dict.fromkeys((row.task, row.system, row.config_hash, row.seed) for row in rows if row.config_hash)
    return [(task, system, str(config_hash), str(seed)) for task, system, config_hash, seed in found]
