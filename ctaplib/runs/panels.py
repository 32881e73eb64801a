"""Preview of one utterance during training, and its picture: mel spectrograms and panels on one time axis."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[Sequence[float], Sequence[float]]
"""Times in seconds, and the value at each."""

MAX_ROWS = 28
_INK, _LINES = "#1f2933", ("#7fff6a", "#4cc9f0", "#ffb703")
_DARK = ("#2a7f3e", "#2364aa", "#d1495b")


@dataclass(frozen=True)
class Panel:
    """One panel below the mel spectrograms.

    Attributes:
        values: (rows, frames) picture over the whole utterance, or None for lines alone.
        rows: Name of every row; empty for none.
        lines: Lines over it by name, for example the reference and the prediction.
        unit: Unit of its vertical axis.
    """

    values: np.ndarray | None = None
    rows: Sequence[str] = ()
    lines: Mapping[str, Line] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True)
class Preview:
    """Pictures and audio of one utterance.

    Attributes:
        utt: Its id.
        seconds: Its length.
        mels: (frames, bands) log-mel by name, the target first.
        phones: Reference phones with start and end in seconds, drawn on the first mel.
        panels: Further pictures by name.
        waves: Waveforms by name, float32.
        rebuilt: Names of `mels` that Griffin-Lim turns into audio.
    """

    utt: str
    seconds: float
    mels: Mapping[str, np.ndarray] = field(default_factory=dict)
    phones: Sequence[tuple[str, float, float]] = ()
    panels: Mapping[str, Panel] = field(default_factory=dict)
    waves: Mapping[str, np.ndarray] = field(default_factory=dict)
    rebuilt: tuple[str, ...] = ()


class Allowance:
    """Limit on the time of previews: a share of the time since the start.

    Args:
        share_pct: The share, percent.
    """

    def __init__(self, share_pct: float) -> None:
        self.share_pct, self.started, self.used_s = share_pct, time.perf_counter(), 0.0
        self._costs_s: dict[str, float] = {}

    def covers(self, what: str) -> bool:
        """Return whether one more of a kind, at the cost of the last one (at first 1 s), stays within the share."""
        passed_s = time.perf_counter() - self.started
        return self.used_s + self._costs_s.get(what, 1.0) <= self.share_pct / 100 * passed_s

    @contextmanager
    def spend(self, what: str) -> Iterator[None]:
        """Count the time of a block as that of one more of a kind."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._costs_s[what] = time.perf_counter() - started
            self.used_s += self._costs_s[what]


def posterior_panel(
    posteriors: np.ndarray, names: Sequence[str], reference: np.ndarray, seconds: float, line: str = "reference"
) -> Panel:
    """Return a panel of class posteriors with the reference as a line; rows in the order in which the reference has them.

    Args:
        posteriors: (frames, classes), 0 to 1.
        names: Name of every class.
        reference: (frames,) true class, negative where none is known.
        seconds: Length of the utterance.
        line: Name of the reference in the legend.
    """
    rows = list(dict.fromkeys(int(c) for c in reference if c >= 0))
    strongest = np.argsort(-posteriors.max(0), kind="stable").tolist()
    rows += [c for c in strongest if c not in rows and posteriors[:, c].max() > 0.25]
    rows = rows[:MAX_ROWS]
    height = {c: row for row, c in enumerate(rows)}
    step_s = seconds / len(reference)
    edges = np.arange(len(reference) + 1) * step_s
    heights = [float(height.get(int(c), np.nan)) for c in reference]
    stairs = (np.repeat(edges, 2)[1:-1].tolist(), np.repeat(heights, 2).tolist())
    return Panel(posteriors[:, rows].T, [names[c] for c in rows], {line: stairs})


def draw(preview: Preview) -> "Figure":
    """Draw the picture of an utterance."""
    from matplotlib.figure import Figure

    count = len(preview.mels) + len(preview.panels)
    heights = [1.0] * len(preview.mels) + [1.0 + 0.05 * len(p.rows) for p in preview.panels.values()]
    figure = Figure(figsize=(9.0, 0.7 + 1.35 * sum(heights)))
    grid = figure.add_gridspec(
        count, 1, height_ratios=heights, left=0.075, right=0.985, hspace=0.32,
        top=1 - 0.3 / figure.get_figheight(), bottom=0.42 / figure.get_figheight(),
    )  # fmt: skip
    limits: dict[str, float] = {}
    for place, (name, mel) in enumerate(preview.mels.items()):
        axes = figure.add_subplot(grid[place])
        if not limits:
            limits = {"vmin": float(np.quantile(mel, 0.02)), "vmax": float(np.quantile(mel, 0.998))}
        axes.imshow(mel.T, extent=(0, preview.seconds, 0, mel.shape[1]), cmap="magma", **_IMAGE, **limits)  # type: ignore[arg-type]
        if place == 0:
            _phones(axes, preview.phones, mel.shape[1])
        _finish(axes, f"{preview.utt}: {name}" if place == 0 else name, "mel band", preview.seconds, place == count - 1)
    for place, (name, panel) in enumerate(preview.panels.items(), len(preview.mels)):
        axes = figure.add_subplot(grid[place])
        _panel(axes, panel, preview.seconds)
        _finish(axes, name, panel.unit, preview.seconds, place == count - 1)
    return figure


_IMAGE = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}


def _panel(axes: "Axes", panel: Panel, seconds: float) -> None:
    if panel.values is not None:
        rows = len(panel.values)
        axes.imshow(panel.values, extent=(0, seconds, -0.5, rows - 0.5), cmap="magma", **_IMAGE)  # type: ignore[arg-type]
        axes.set_yticks(range(len(panel.rows)), panel.rows)
    for k, (name, (times, heights)) in enumerate(panel.lines.items()):
        colour = (_LINES if panel.values is not None else _DARK)[k % 3]
        axes.plot(times, heights, color=colour, lw=1.1, label=name, alpha=0.9)
    if panel.lines:
        colours = {} if panel.values is None else {"facecolor": "#202020", "labelcolor": "white"}
        axes.legend(loc="upper right", fontsize=6, framealpha=0.75, handlelength=1.2, borderpad=0.3, **colours)
    if panel.values is not None:
        axes.set_ylim(-0.5, len(panel.values) - 0.5)


def _phones(axes: "Axes", phones: Sequence[tuple[str, float, float]], bands: int) -> None:
    axes.vlines([start for _, start, _ in phones[1:]], 0, bands, color="white", lw=0.5, alpha=0.6)
    for name, start_s, end_s in phones:
        axes.text((start_s + end_s) / 2, 0.93 * bands, name, color="white", fontsize=5.5, ha="center", va="center", clip_on=True)


def _finish(axes: "Axes", title: str, unit: str, seconds: float, last: bool) -> None:
    axes.set_xlim(0, seconds)
    axes.set_title(title, fontsize=8, loc="left", pad=3, color=_INK, y=1.0)  # a fixed y saves matplotlib the search for one
    axes.set_ylabel(unit, fontsize=7)
    if unit:
        axes.locator_params(axis="y", nbins=3)
    axes.tick_params(labelsize=6, length=2)
    if last:
        axes.set_xlabel("seconds", fontsize=7, labelpad=1)
    else:
        axes.set_xticks([])
