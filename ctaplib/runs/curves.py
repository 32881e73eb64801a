"""Curves of a run from `metrics.jsonl`: losses, learning rates and weights over the steps."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctaplib.files import atomic_write
from ctaplib.runs.listing import read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, tuple[Sequence[int], Sequence[float]]]
"""(steps, values) by name."""

INK, FAINT, ACCENT, WARM = "#1f2933", "#9aa5b1", "#2364aa", "#d1495b"
COLOURS = (
    "#2364aa", "#d1495b", "#3a9d5d", "#e09f3e", "#7b4fa3", "#17a2b8", "#8c564b", "#5b6770", "#b5179e", "#7f9c1c",
)  # fmt: skip
_STYLE = {
    "font.family": "sans-serif", "font.size": 9, "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#e4e7eb", "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "ctaplib", "axes.titlesize": 10, "axes.titleweight": "bold",
}  # fmt: skip
_NOT_CURVES = {"epoch", "step", "split"}


def style() -> AbstractContextManager[None]:
    """Return a context with the style of all figures."""
    from matplotlib import rc_context

    return rc_context(dict(_STYLE))  # type: ignore[arg-type]


@dataclass(frozen=True)
class RunCurves:
    """Curves of one run: training, validation, weights that are not always 0, learning rates."""

    train: Curves
    valid: Curves
    weights: Curves
    rates: Curves


def read_curves(run: Path) -> RunCurves:
    """Read the curves of `metrics.jsonl`, none without that file."""
    found: dict[str, dict[str, tuple[list[int], list[float]]]] = {"train": {}, "valid": {}, "weight": {}, "lr": {}}
    for record in read_metrics(run):
        split = record.get("split", "train")
        for name, value in record.items():
            if name in _NOT_CURVES or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            kind = "weight" if name.startswith("weight/") else "lr" if name.partition("/")[0] == "lr" else split
            if kind in found and (kind == split or split == "train"):
                steps, values = found[kind].setdefault(name.removeprefix("weight/"), ([], []))
                steps.append(record["step"])
                values.append(float(value))
    moving = {name: curve for name, curve in found["weight"].items() if any(curve[1])}
    return RunCurves(found["train"], found["valid"], moving, found["lr"])


def loss_curves(train: Curves, valid: Curves, weights: Curves) -> "Figure":
    """Draw a small panel for each term (validation as dots) and below them the weights of the schedule."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys([*train, *valid]))
    columns = min(4, max(1, len(names)))
    lines = -(-len(names) // columns)
    height = 1.75 * lines + (1.9 if weights else 0.0) + 0.3
    figure = Figure(figsize=(2.7 * columns, height))
    grid = figure.add_gridspec(
        lines + bool(weights), columns, height_ratios=[1.75] * lines + [1.9] * bool(weights), left=0.2 / columns,
        right=0.86 if weights else 0.99, top=1 - 0.3 / height, bottom=0.45 / height, hspace=0.45, wspace=0.28,
    )  # fmt: skip
    for k, name in enumerate(names):
        axes = figure.add_subplot(grid[k // columns, k % columns])
        _curve(axes, train.get(name), valid.get(name))
        axes.set_title(name, y=1.0, pad=4)  # a fixed y saves matplotlib the search for one
    if weights:
        axes = figure.add_subplot(grid[lines, :])
        _together(axes, weights)
        axes.set_title("weight of every term over the steps (the schedule)")
    return figure


def curves_together(curves: Curves, title: str) -> "Figure":
    """Draw all curves in one panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3))
    axes = figure.add_subplot(figure.add_gridspec(left=0.08, right=0.82, bottom=0.15, top=0.9)[0])
    _together(axes, curves)
    axes.set_title(title)
    return figure


def save_curves(run: Path) -> list[Path]:
    """Write `images/losses.png`, `learning_rate.png` and `weights.png` of a run, those that have data, and list them."""
    curves, figures, written = read_curves(run), {}, []
    with style():
        if curves.train or curves.valid:
            figures["losses"] = loss_curves(curves.train, curves.valid, {})
        if curves.rates:
            figures["learning_rate"] = curves_together(curves.rates, "learning rate")
        if curves.weights:
            figures["weights"] = curves_together(curves.weights, "weight of every term (the schedule)")
        for name, figure in figures.items():
            path = run / "images" / f"{name}.png"
            with atomic_write(path, "wb") as out:
                figure.savefig(out, format="png", dpi=80)
            written.append(path)
    return written


def _together(axes: "Axes", curves: Curves) -> None:
    for k, (name, (steps, values)) in enumerate(curves.items()):
        marker = "." if len(steps) < 3 else None
        axes.plot(steps, values, color=COLOURS[k % len(COLOURS)], label=name, lw=1.6, marker=marker)
    positive = [v for _, values in curves.values() for v in values if v > 0]
    if positive and max(positive) > 50 * min(positive):
        axes.set_yscale("symlog", linthresh=10 ** np.floor(np.log10(min(positive))))
    axes.set_xlabel("step")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def _curve(axes: "Axes", train: tuple | None, valid: tuple | None) -> None:
    if train is not None:
        axes.plot(*train, color=ACCENT, lw=1.1, marker="." if len(train[0]) < 3 else None)
    if valid is not None:
        axes.plot(*valid, color=WARM, lw=0.8, marker="o", ms=3)
    values = np.concatenate([np.asarray(c[1], float) for c in (train, valid) if c is not None])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 50 * values.min():
        axes.set_yscale("log")
    else:
        axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.tick_params(labelsize=7)
