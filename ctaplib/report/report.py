"""The report: one HTML page with players, pictures and tables, made from what the stages left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.results import Row
from ctaplib.files import atomic_write
from ctaplib.report import page, pictures, players, tables
from ctaplib.report.inputs import stage_times
from ctaplib.report.paper_rows import PaperRows
from ctaplib.report.tables import TASK_TITLES, arrange, number
from ctaplib.runs import curves

HEADLINES = (
    ("asr", "per", "frozen_ctc", "PER without fine-tuning"),
    ("vc", "target_wins_pct", "vqctap", "conversions nearer to the target"),
    ("vc", "per", "vqctap", "PER of converted speech (judge)"),
    ("tts", "per", "vqctap", "PER of synthesised speech (judge)"),
    ("pretrain", "codebook_usage_pct", "vqctap", "of the code book in use"),
    ("align", "boundary_median_ms", "aligner", "median boundary error"),
)
"""Task, metric and system (by its name for VQ-CTAP) of the numbers in the header, and their text."""


@dataclass(frozen=True)
class Report:
    """Inputs of the page.

    Attributes:
        title: Title of the page.
        inputs: Folders and names.
        rows: Rows of results.
        papers: Published numbers.
        environment: Lines about the machine.
    """

    title: str
    inputs: Inputs
    rows: Sequence[Row]
    papers: PaperRows
    environment: Mapping[str, str]

    def html(self) -> str:
        """Build the whole page."""
        with curves.style():
            sections = [
                ("results", "Results", self._results()),
                ("conversion", "Conversion", players.conversion(self.inputs)),
                ("synthesis", "Synthesis", players.synthesis(self.inputs)),
                ("resynthesis", "Resynthesis", players.resynthesis(self.inputs)),
                ("training", "Training", pictures.training(self.inputs)),
                ("alignment", "Alignment", pictures.alignment(self.inputs)),
                ("codes", "Codes", pictures.codes(self.inputs)),
                ("run", "The run", self._run()),
            ]
        foot = "Made by ctaplib. Every number names its judge and run; every gap has its reason."
        return page.document(self.title, self._top(), sections, foot)

    def _top(self) -> str:
        command = next((row.command for row in self.rows if row.command), None)
        lead = f"Method: {escape(self.inputs.declaration.title)}. Test sets: {escape(', '.join(self.inputs.sets))}."
        if command:
            lead += f" Command: <code>{escape(command)}</code>."
        boxes = "".join(
            f'<div class="figure"><b>{number(value)} {row.unit}</b><span>{escape(text)}, {escape(row.set)}</span></div>'
            for row, value, text in self._headlines()
        )
        return f'<p>{lead}</p><div class="figures">{boxes}</div>'

    def _headlines(self) -> list[tuple[Row, float, str]]:
        values = {(row.task, row.metric, row.system, row.set): row for row in self.rows if row.value is not None}
        found = []
        for task, metric, system, text in HEADLINES:
            name = self.inputs.declaration.system(task, system)
            rows = [values.get((task, metric, name, set_)) for set_ in reversed(self.inputs.sets)]
            row = next(filter(None, rows), None)
            if row is not None and row.value is not None:
                found.append((row, row.value, text))
        return found

    def _results(self) -> str:
        lead = "Numbers in brackets are 95 % intervals, bootstrapped over utterances. The heading names the judge."
        parts = [f'<p class="lead">{lead} The tooltip of a dash is the reason.</p>']
        arranged = arrange(self.rows)
        for task in dict.fromkeys(table.task for table in arranged):
            title = f"<h3>{escape(TASK_TITLES.get(task, task))}</h3>"
            results = "".join(page.result_table(table) for table in arranged if table.task == task)
            published = tables.published(task, self.papers)
            if published:
                grid = page.text_grid(tables.PUBLISHED, published, right=(2,))
                results += f"<details><summary>Published numbers, not comparable</summary>{grid}</details>"
            parts.append(page.card(title + results))
        if self.papers.missing:
            parts.append(page.note("Not to be had: " + " ".join(self.papers.missing)))
        return "".join(parts)

    def _run(self) -> str:
        """Show the times of the stages, the machine, config hashes and seeds."""
        exp = self.inputs.exp
        times = stage_times(self.inputs.dump, self.inputs.align.parent, exp.parent, exp)
        parts = []
        if times:
            lines = [(f"{n} {name}", f"{seconds:.1f}", str(mib or "")) for n, name, seconds, mib in times]
            lines.append(("all", f"{sum(time[2] for time in times):.1f}", ""))
            parts.append(page.text_grid(("stage", "seconds", "peak memory, MiB"), lines, right=(1, 2)))
        parts.append(page.text_grid(tables.RUNS, tables.runs(self.rows), right=(3,)))
        facts = {"commit": ", ".join(dict.fromkeys(row.commit for row in self.rows if row.commit)), **self.environment}
        parts.append(page.text_grid(("", "environment"), list(facts.items())))
        return "".join(map(page.card, parts))


def write_report(report: Report, folder: Path) -> Path:
    """Write `index.html`.

    Returns:
        Its path.
    """
    path = folder / "index.html"
    with atomic_write(path) as out:
        out.write(report.html())
    return path
