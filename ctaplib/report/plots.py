"""Figures of the report: alignments, code use, maps of codes and of prompts."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from ctaplib.corpus.alignment import Alignment
from ctaplib.phones import SILENCE
from ctaplib.runs.curves import COLOURS, FAINT


def alignment(mel: np.ndarray, hop_s: float, found: Alignment, true: Alignment | None) -> Figure:
    """Draw a mel spectrogram (frames, bands) with the aligner's boundaries, and the true ones above where known."""
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(False)
    end_s, bands = len(mel) * hop_s, mel.shape[1]
    axes.imshow(mel.T, origin="lower", aspect="auto", cmap="magma", extent=(0, end_s, 0, bands))
    _boundaries(axes, found, bands, below=True)
    if true:
        _boundaries(axes, true, bands, below=False)
    axes.set(xlim=(0, end_s), ylim=(-0.16 * bands, (1.16 if true else 1.0) * bands), yticks=[], xlabel="seconds")
    return figure


def _boundaries(axes: Axes, phones: Alignment, bands: int, below: bool) -> None:
    low, high, place = (-0.16, 0.5, -0.08) if below else (0.5, 1.16, 1.08)
    colour = "#62d9ff" if below else "#9bff8a"
    for phone in phones:
        axes.plot([phone.start_s] * 2, [low * bands, high * bands], color=colour, lw=0.8)
        if phone.phone != SILENCE:
            middle = (phone.start_s + phone.end_s) / 2
            axes.text(middle, place * bands, phone.phone, ha="center", va="center", fontsize=7)


def code_use(counts: Mapping[str, np.ndarray]) -> Figure:
    """Draw the share of frames by code, most used first, for every set."""
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for k, (name, count) in enumerate(counts.items()):
        shares = 100 * np.sort(count)[::-1] / max(1, count.sum())
        used = int((count > 0).sum())
        axes.step(np.arange(1, len(shares) + 1), shares, color=COLOURS[k % len(COLOURS)], where="mid",
                  label=f"{name}: {used} of {len(count)} codes used")  # fmt: skip
    size = max(len(count) for count in counts.values())
    axes.axhline(100 / size, color=FAINT, lw=0.9, ls="--")
    axes.text(size, 100 / size, " uniform use", va="bottom", ha="right", color=FAINT, fontsize=8)
    axes.set(yscale="log", xlim=(0.5, size + 0.5), xlabel="code, the most used first", ylabel="share of frames, %")
    axes.legend()
    return figure


def flat_map(vectors: np.ndarray) -> np.ndarray:
    """Reduce (points, d) to (points, 2) by t-SNE with a fixed seed.

    Source: L. van der Maaten and G. Hinton, "Visualizing data using t-SNE" (JMLR 2008), as in scikit-learn.
    """
    spread = min(30.0, max(2.0, (len(vectors) - 1) / 4))
    return TSNE(perplexity=spread, init="pca", random_state=0, max_iter=500).fit_transform(vectors.astype(np.float32))


def map_of_codes(places: np.ndarray, phones: Sequence[str], counts: np.ndarray) -> Figure:
    """Draw every code that occurs as the phone that it mostly falls on, larger where it occurs often."""
    figure = Figure(figsize=(6.0, 5.2), layout="constrained")
    axes = figure.add_subplot()
    kinds = sorted(set(phones))
    colours = {kind: COLOURS[k % len(COLOURS)] for k, kind in enumerate(kinds)}
    sizes = 6.0 + 6.0 * np.sqrt(counts / counts.max())
    for (x, y), phone, size in zip(places, phones, sizes):
        axes.text(x, y, "·" if phone == SILENCE else phone, fontsize=size, color=colours[phone], ha="center",
                  va="center", clip_on=True)  # fmt: skip
    _frame(axes, places)
    return figure


def map_of_prompts(places: np.ndarray, speakers: Sequence[str]) -> Figure:
    """Draw the prompt vector of every utterance; a colour and a mark for every speaker."""
    figure = Figure(figsize=(6.0, 5.2), layout="constrained")
    axes = figure.add_subplot()
    marks = "osD^v<>PX*"
    for k, speaker in enumerate(sorted(set(speakers))):
        own = np.array([s == speaker for s in speakers])
        mark = marks[(k // len(COLOURS)) % len(marks)]
        axes.scatter(
            places[own, 0], places[own, 1], s=20, color=COLOURS[k % len(COLOURS)], marker=mark, label=speaker, alpha=0.85, lw=0
        )
    _frame(axes, places)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, ncols=1 + len(set(speakers)) // 26)
    return figure


def _frame(axes: Axes, places: np.ndarray) -> None:
    axes.update_datalim(places)
    axes.autoscale_view()
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
