"""HTML of the report: small builders, escaping, and the look. The page needs no network and no other file."""

from collections.abc import Sequence
from html import escape

from ctaplib.evaluate.results import Row
from ctaplib.report.clips import Clip, data_uri
from ctaplib.report.tables import SHORT, Table, gaps, heading, interval, notes, number

STYLE = """
:root { --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --paper: #fff; --ground: #f5f7fa; --accent: #2364aa; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 4rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
header { background: linear-gradient(120deg, #102a43, #2364aa); color: #fff; padding: 2.2rem 1.5rem 1.8rem; }
header h1 { margin: 0 0 .3rem; font-size: 1.9rem; letter-spacing: -.01em; }
header p { margin: .2rem 0; opacity: .85; overflow-wrap: anywhere; }
header code { background: rgba(255,255,255,.14); color: #fff; }
nav { position: sticky; top: 0; z-index: 2; background: rgba(255,255,255,.96); border-bottom: 1px solid var(--line);
  padding: .55rem 1.5rem; display: flex; gap: 1.2rem; flex-wrap: wrap; }
nav a { color: var(--accent); text-decoration: none; font-weight: 600; }
nav a:hover { text-decoration: underline; }
main, header > div { max-width: 1240px; margin: 0 auto; }
main { padding: 1rem 1.5rem 4rem; }
h2 { margin: 2.4rem 0 .6rem; font-size: 1.4rem; }
h3 { margin: .2rem 0 .5rem; font-size: 1.12rem; }
h4 { margin: 1rem 0 .2rem; font-size: .86rem; color: var(--soft); font-weight: 600; }
main > section > h3 { margin-top: 1.4rem; }
p.lead, p.note, ul.note { color: var(--soft); }
p.note, ul.note { font-size: .84rem; margin: .3rem 0 .8rem; } ul.note { padding-left: 1.2rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.2rem;
  margin: .8rem 0; box-shadow: 0 1px 2px rgba(16,42,67,.05); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; margin-top: 1.2rem; }
.figure { background: rgba(255,255,255,.12); border-radius: 8px; padding: .7rem .9rem; }
.figure b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.figure span { font-size: .8rem; opacity: .85; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; vertical-align: bottom; padding: .35rem .6rem; border-bottom: 2px solid #cbd2d9; }
td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, td.text { text-align: left; } td.text { white-space: normal; }
td small { display: block; color: var(--soft); font-size: .74rem; }
td.gap { color: #9aa5b1; cursor: help; }
code { background: #eef2f6; border-radius: 4px; padding: .05rem .3rem; font-size: .88em; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: .9rem; }
.clip { margin: 0; min-width: 0; }
.clip figcaption { font-weight: 600; font-size: .86rem; margin-bottom: .25rem; display: flex;
  justify-content: space-between; gap: .6rem; }
.clip figcaption span { color: var(--soft); font-weight: 400; }
.view { position: relative; cursor: pointer; background: #000; border-radius: 6px 6px 0 0; overflow: hidden; }
.view img { display: block; width: 100%; height: 112px; }
.view i { position: absolute; top: 0; bottom: 0; width: 2px; left: 0; background: #fff; opacity: 0; pointer-events: none; }
audio { width: 100%; height: 34px; display: block; margin-top: .25rem; }
.said { margin: 0 0 .7rem; } .said q { font-style: italic; }
img.plot { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: .9rem; }
details { margin: .45rem 0; }
details summary { cursor: pointer; color: var(--accent); font-size: .84rem; }
footer { color: var(--soft); font-size: .84rem; text-align: center; padding: 1.5rem; }
@media print { nav, audio { display: none; } .card { break-inside: avoid; } }
"""

SCRIPT = """
for (const audio of document.querySelectorAll('audio')) {
  const view = audio.closest('.clip').querySelector('.view'), mark = view.querySelector('i');
  audio.addEventListener('play', () => {
    for (const other of document.querySelectorAll('audio')) if (other !== audio) other.pause();
    const move = () => {
      mark.style.opacity = 1;
      mark.style.left = 100 * audio.currentTime / (audio.duration || 1) + '%';
      if (!audio.paused) requestAnimationFrame(move);
    };
    move();
  });
  view.addEventListener('click', event => {
    const box = view.getBoundingClientRect();
    if (audio.duration) audio.currentTime = audio.duration * (event.clientX - box.left) / box.width;
    audio.play().catch(() => {});
  });
}
"""


def document(title: str, top: str, sections: Sequence[tuple[str, str, str]], foot: str) -> str:
    """The page.

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
    """A white box."""
    return f'<div class="card">{html}</div>\n'


def note(text: str) -> str:
    """A small remark, plain text."""
    return f'<p class="note">{escape(text)}</p>\n'


def plot(content: bytes, kind: str, alt: str) -> str:
    """A picture of kind "svg" or "png"."""
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f'<img class="plot" src="{data_uri(mime, content)}" alt="{escape(alt)}">\n'


def clip_figure(clip: Clip) -> str:
    """A player under its spectrogram; a click into the picture plays from there."""
    label = escape(clip.label)
    return (
        f'<figure class="clip"><figcaption>{label}<span>{clip.duration_s:.1f} s</span></figcaption>'
        f'<div class="view"><img src="{clip.picture_uri}" alt="Spectrogram: {label}"><i></i></div>'
        f'<audio controls preload="metadata" src="{clip.audio_uri}"></audio></figure>\n'
    )


def clip_row(said: str, about: str, clips: Sequence[Clip]) -> str:
    """Clips that belong together, with what is said in them (plain text)."""
    quote = f"<q>{escape(said)}</q> " if said else ""
    return card(
        f'<p class="said">{quote}<span class="note">{escape(about)}</span></p><div class="clips">'
        + "".join(map(clip_figure, clips))
        + "</div>"
    )


def result_table(table: Table) -> str:
    """Systems down, metrics across; gaps say why on hovering and below."""
    lines = [f"<h4>{escape(table.set)}</h4>"]
    if table.systems:
        shown = [m for m in table.metrics if any(_has(table, s, m) for s in table.systems)]
        heads = [next(row for (_, metric), row in table.cells.items() if metric == m) for m in shown]
        lines.append('<div class="scroll"><table><thead><tr><th scope="col">system</th>')
        lines += [f'<th scope="col">{escape(heading(row))}</th>' for row in heads]
        lines.append("</tr></thead><tbody>")
        for system in table.systems:
            cells = "".join(_cell(table.cells.get((system, metric))) for metric in shown)
            lines.append(f"<tr><td><code>{escape(system)}</code></td>{cells}</tr>")
        lines.append("</tbody></table></div>")
    remarks = [f"<code>{escape(system)}</code>: {escape(why)}" for system, why in table.absent.items()]
    remarks += [f"{escape(where)}: {escape(text)}" for where, text in (*gaps(table), *notes(table))]
    if remarks:
        items = "".join(f"<li>{remark}</li>" for remark in remarks)
        lines.append(f'<details><summary>What is missing, and notes</summary><ul class="note">{items}</ul></details>')
    return "".join(lines)


def _has(table: Table, system: str, metric: str) -> bool:
    row = table.cells.get((system, metric))
    return row is not None and row.value is not None


def _cell(row: Row | None) -> str:
    if row is None:
        return "<td></td>"
    if row.value is None:
        return f'<td class="gap" title="{escape(row.why or "")}">–</td>'
    about = f"{SHORT.get(row.metric, row.metric)}: {row.value:g} {row.unit}, n = {row.n}"
    small = f"<small>{escape(interval(row))}</small>" if row.ci95 else ""
    return f'<td title="{escape(about)}">{number(row.value)}{small}</td>'
