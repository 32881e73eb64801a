"""Rows arranged for readers: one table for each task and set, systems down, metrics across."""

from collections.abc import Sequence
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
PUBLISHED = ("system", "metric", "value", "source", "why not comparable")
RUNS = ("task", "system", "config hash", "seed")
_UNITS_NOT_SHOWN = {"cosine", "index", "correlation", "ratio", "MOS-LQO", "codes"}


@dataclass(frozen=True)
class Table:
    """Cells of one task on one set.

    Attributes:
        set: Test set.
        systems: Names down the side: the systems that have a number; the largest number of items of each.
        columns: Metrics of which some system has a number, with their headings.
        cells: Row by (system, metric).
        absent: Reason by system without any number.
        remarks: Cells ("systems (metrics)") with the reason why they are empty, then cells with their note.
    """

    set: str
    systems: dict[str, int]
    columns: list[tuple[str, str]]
    cells: dict[tuple[str, str], Row]
    absent: dict[str, str]
    remarks: list[tuple[str, str]]


def arrange(rows: Sequence[Row]) -> dict[str, list[Table]]:
    """Arrange rows as tables by task; tasks, and sets within a task, in the order of their first row."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        groups.setdefault(row.task, {}).setdefault(row.set, []).append(row)
    return {task: [_table(set_, group) for set_, group in sets.items()] for task, sets in groups.items()}


def _table(set_: str, rows: Sequence[Row]) -> Table:
    measured = [row for row in rows if row.value is not None]
    with_number = {row.system for row in measured}
    systems = {row.system: max(r.n for r in rows if r.system == row.system) for row in rows if row.system in with_number}
    absent: dict[str, str] = {}
    for row in rows:
        if row.system not in with_number:
            absent.setdefault(row.system, row.why or "")
    headings = {row.metric: _heading(row) for row in rows}
    columns = [(metric, headings[metric]) for metric in headings if metric in {row.metric for row in measured}]
    cells = {(row.system, row.metric): row for row in rows}
    shown = [cells[system, metric] for system in systems for metric in headings if (system, metric) in cells]
    remarks = _grouped([(row, row.why) for row in shown if row.value is None])
    remarks += _grouped([(row, row.note) for row in shown if row.value is not None])
    return Table(set_, systems, columns, cells, absent, remarks)


def _heading(row: Row) -> str:
    """Return the name of a column with its unit and judge."""
    unit = "" if row.unit in _UNITS_NOT_SHOWN else f", {row.unit}"
    judge = f" ({row.judge})" if row.judge else ""
    return f"{metric_title(row.metric)}{unit}{judge}"


def metric_title(metric: str) -> str:
    """Return the name of a metric in headings."""
    return METRIC_TITLES.get(metric, metric)


def _grouped(remarks: Sequence[tuple[Row, str | None]]) -> list[tuple[str, str]]:
    """Join cells that share a remark to one phrase, "systems (metrics)"."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for row, text in remarks:
        if text:
            metrics.setdefault((text, row.system), []).append(metric_title(row.metric))
    systems: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (text, system), names in metrics.items():
        systems.setdefault((text, tuple(names)), []).append(system)
    return [(f"{', '.join(group)} ({'; '.join(names)})", text) for (text, names), group in systems.items()]


def number(value: float) -> str:
    """Format a number with three or four significant digits, without exponent."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    size = abs(value)
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def interval(row: Row) -> str:
    """Format the interval of a row in brackets; empty without one."""
    return "" if row.ci95 is None else f"[{number(row.ci95[0])}, {number(row.ci95[1])}]"


def published(task: str, papers: PaperRows) -> list[tuple[str, ...]]:
    """Return the published numbers of a task, with the columns `PUBLISHED`."""
    return [
        (row.system, metric_title(row.metric), f"{number(row.value)} {row.unit}", f"{row.source} ({HOW.get(row.how, row.how)})",
         row.why_not)
        for row in papers.rows if row.task == task
    ]  # fmt: skip


def runs(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the trained runs behind rows, with the columns `RUNS`."""
    found = dict.fromkeys((row.task, row.system, row.config_hash, row.seed) for row in rows if row.config_hash)
    return [(task, system, str(config_hash), str(seed)) for task, system, config_hash, seed in found]
