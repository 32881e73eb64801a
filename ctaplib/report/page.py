"""HTML of the report: builders that escape their text. The page needs no network and no other file."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ctaplib.evaluate.catalogue import METRIC_TITLES
from ctaplib.evaluate.results import Row
from ctaplib.report.clips import Clip, data_uri
from ctaplib.report.tables import Table, gaps, interval, notes, number

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


def document(title: str, top: str, sections: Sequence[tuple[str, str, str]], foot: str) -> str:
    """Build the page.

    Args:
        title: Its title, plain text.
        top: HTML of the header.
        sections: Anchor, heading (plain text), HTML.
        foot: HTML of the footer.
    """
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in sections)
    body = "".join(f'<section id="{a}"><h2>{escape(name)}</h2>{html}</section>\n' for a, name, html in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<header><div><h1>{escape(title)}</h1>{top}</div></header>\n<nav>{links}</nav>\n<main>\n{body}</main>\n"
        f"<footer>{foot}</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def card(html: str) -> str:
    """Build a white box."""
    return f'<div class="card">{html}</div>\n'


def note(text: str) -> str:
    """Build a small remark from plain text."""
    return f'<p class="note">{escape(text)}</p>\n'


def plot(content: bytes, kind: str, alt: str) -> str:
    """Embed a picture of kind "svg" or "png"."""
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f'<img class="plot" src="{data_uri(mime, content)}" alt="{escape(alt)}">\n'


def clip_figure(clip: Clip) -> str:
    """Build a player under its spectrogram; a click into the picture plays from there."""
    label = escape(clip.label)
    return (
        f'<figure class="clip"><figcaption>{label}<span>{clip.duration_s:.1f} s</span></figcaption>'
        f'<div class="view"><img src="{clip.picture_uri}" alt="Spectrogram: {label}"><i></i></div>'
        f'<audio controls preload="metadata" src="{clip.audio_uri}"></audio></figure>\n'
    )


def clip_row(transcript: str, about: str, clips: Sequence[Clip]) -> str:
    """Build a box of clips that belong together, with their transcript (plain text)."""
    quote = f"<q>{escape(transcript)}</q> " if transcript else ""
    head = f'<p class="transcript">{quote}<span class="note">{escape(about)}</span></p>'
    return card(f'{head}<div class="clips">{"".join(map(clip_figure, clips))}</div>')


def grid(heads: Sequence[str], lines: Sequence[str]) -> str:
    """Build a table from headings (plain text) and rows of cells (HTML)."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' if head else "<td></td>" for head in heads)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def text_grid(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Build a table of plain text; columns with an index in `right` are flush right, the others left."""
    kinds = ["" if column in right else ' class="text"' for column in range(len(heads))]
    cells = ["".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row)) for row in rows]
    return grid(heads, [f"<tr>{row}</tr>" for row in cells])


def result_table(table: Table) -> str:
    """Build a table of results, systems down and metrics across, with the reasons for empty cells."""
    parts = [f"<h4>{escape(table.set)}</h4>"]
    if table.systems:
        lines = []
        for system in table.systems:
            cells = "".join(_cell(table.cells.get((system, metric))) for metric, _ in table.columns)
            lines.append(f"<tr><td><code>{escape(system)}</code></td>{cells}</tr>")
        parts.append(grid(["system", *(heading for _, heading in table.columns)], lines))
    remarks = [f"<code>{escape(system)}</code>: {escape(why)}" for system, why in table.absent.items()]
    remarks += [f"{escape(where)}: {escape(text)}" for where, text in (*gaps(table), *notes(table))]
    if remarks:
        items = "".join(f"<li>{remark}</li>" for remark in remarks)
        parts.append(f'<details><summary>What is missing, and notes</summary><ul class="note">{items}</ul></details>')
    return "".join(parts)


def _cell(row: Row | None) -> str:
    if row is None:
        return "<td></td>"
    if row.value is None:
        return f'<td class="gap" title="{escape(row.why or "")}">–</td>'
    about = f"{METRIC_TITLES.get(row.metric, row.metric)}: {row.value:g} {row.unit}, n = {row.n}"
    small = f"<small>{escape(interval(row))}</small>" if row.ci95 else ""
    return f'<td title="{escape(about)}">{number(row.value)}{small}</td>'
