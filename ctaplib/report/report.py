"""The two documents of a recipe: a page with players, pictures and tables, and RESULTS.md.

The templates are `page.html.j2`, which needs no network and no other file, and `results.md.j2`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.results import Row
from ctaplib.report import pictures, tables
from ctaplib.report.inputs import stage_times
from ctaplib.report.paper_rows import PaperRows
from ctaplib.report.players import clip_rows
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

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=jinja2.select_autoescape(("html.j2",)),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["tables"] = tables


def results_md(title: str, rows: Sequence[Row], papers: PaperRows, environment: Mapping[str, str]) -> str:
    """Render RESULTS.md.

    Args:
        title: Name of the recipe.
        rows: All rows, in the order in which they are shown.
        papers: Published numbers.
        environment: Lines about the machine.
    """
    template = _TEMPLATES.get_template("results.md.j2")
    text = template.render(title=title, rows=rows, papers=papers, environment=environment)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def page_html(title: str, inputs: Inputs, rows: Sequence[Row], papers: PaperRows, environment: Mapping[str, str]) -> str:
    """Render the page with audio, pictures and tables.

    Args:
        title: Title of the page.
        inputs: Folders and names.
        rows: Rows of results.
        papers: Published numbers.
        environment: Lines about the machine.
    """
    with curves.style():
        return _TEMPLATES.get_template("page.html.j2").render(
            title=title,
            rows=rows,
            papers=papers,
            environment=environment,
            sets=inputs.sets,
            method=inputs.declaration,
            headlines=_headlines(inputs, rows),
            clips={task: clip_rows(inputs, task) for task in ("vc", "tts", "resynthesis")},
            training=pictures.training(inputs),
            alignment=pictures.alignment(inputs),
            code_use=pictures.code_use(inputs),
            maps=pictures.maps(inputs),
            stages=stage_times(inputs.dump, inputs.align.parent, inputs.exp.parent, inputs.exp),
        )


def _headlines(inputs: Inputs, rows: Sequence[Row]) -> list[tuple[Row, str]]:
    values = {(row.task, row.metric, row.system, row.set): row for row in rows if row.value is not None}
    found = []
    for task, metric, system, text in HEADLINES:
        name = inputs.declaration.system(task, system)
        of_sets = [values[key] for set_ in reversed(inputs.sets) if (key := (task, metric, name, set_)) in values]
        found += [(row, text) for row in of_sets[:1]]
    return found
