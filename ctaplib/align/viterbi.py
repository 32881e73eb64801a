"""The best path through a left-to-right chain of states, some of which may be jumped over.

A chain has states 0..S-1. From one frame to the next a path stays in state s, steps from s-1, or jumps from
s-jump[s] (over an optional silence). The compiled form needs numba; the other, in numpy, takes a whole padded batch a
frame at a time and returns the same paths. Neither sees padding, so a path depends on its own utterance alone.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.errors import DataError

IMPOSSIBLE = np.float32(-1e30)


@dataclass(frozen=True)
class Chain:
    """The states that an utterance passes through.

    Attributes:
        classes: (S,) int32, the column of the scores that each state reads.
        jump: (S,) int32, how far back the other predecessor lies; 0 where there is none.
        stay: (S,) float32, score of staying.
        step: (S,) float32, score of entering from the state before.
        leap: (S,) float32, score of entering by the jump.
        starts: Number of the first states in which a path may begin: 0, and where given, the second of this tuple.
        ends: States in which a path may end.
    """

    classes: np.ndarray
    jump: np.ndarray
    stay: np.ndarray
    step: np.ndarray
    leap: np.ndarray
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.classes)


def has_compiler() -> bool:
    """Whether numba is installed, so that the fast form can be used."""
    return importlib.util.find_spec("numba") is not None


def best_path(scores: np.ndarray, chain: Chain, *, compiled: bool = True) -> tuple[np.ndarray, float]:
    """Find the best path of one utterance.

    Args:
        scores: (T, classes) float32 log-scores.
        chain: The states to pass through.
        compiled: Use numba; `has_compiler` tells whether it is there.

    Returns:
        State of every frame, (T,) int32, and the path's score, `-inf` where no path fits.

    Raises:
        DataError: a score is not a number.
    """
    if not len(scores):
        return np.empty(0, np.int32), -np.inf
    if not compiled:
        return best_paths([scores], [chain])[0]
    scores = np.ascontiguousarray(scores, np.float32)
    path = np.empty(len(scores), np.int32)
    starts, ends = np.array(chain.starts, np.int32), np.array(chain.ends, np.int32)
    loops = importlib.import_module("ctaplib.align.viterbi_loops")  # numba need not be installed, and takes long to import
    total = loops.find_path(scores, chain.classes, chain.jump, chain.stay, chain.step, chain.leap, starts, ends, path)
    return _checked(path, total)


def best_paths(scores: Sequence[np.ndarray], chains: Sequence[Chain]) -> list[tuple[np.ndarray, float]]:
    """Find the best path of every utterance of a batch, vectorised over utterances and states (numpy alone).

    Args:
        scores: For each utterance, (T, classes) float32.
        chains: For each utterance, its states.

    Returns:
        For each utterance what `best_path` returns.
    """
    batch, n_states = len(chains), max(map(len, chains))
    lengths = np.array([len(s) for s in scores])
    longest = int(lengths.max())
    classes, jump = _stack([c.classes for c in chains], 0), _stack([c.jump for c in chains], 0)
    stay, step = _stack([c.stay for c in chains], 0.0), _stack([c.step for c in chains], 0.0)
    leap = np.where(jump > 0, _stack([c.leap for c in chains], 0.0), IMPOSSIBLE).astype(np.float32)
    source = np.maximum(np.arange(n_states) - jump, 0) + n_states * np.arange(batch)[:, None]
    padded = np.zeros((longest, batch, max(s.shape[1] for s in scores)), np.float32)
    for row, utterance in enumerate(scores):
        padded[: len(utterance), row, : utterance.shape[1]] = utterance
    columns = classes + padded.shape[2] * np.arange(batch)[:, None]
    best = np.full((batch, n_states), IMPOSSIBLE, np.float32)
    for row, chain in enumerate(chains):
        for state in chain.starts:
            best[row, state] = padded[0, row, chain.classes[state]]
    back = np.zeros((longest, batch, n_states), np.int8)
    ended = {int(length) - 1: np.flatnonzero(lengths == length) for length in np.unique(lengths)}
    final = best.copy()
    stepped, landed = np.full_like(best, IMPOSSIBLE), np.empty_like(best)
    for t in range(1, longest):
        np.add(best[:, :-1], step[:, 1:], out=stepped[:, 1:])
        np.add(best.take(source, out=landed), leap, out=landed)
        best += stay
        np.greater(stepped, best, out=back[t].view(bool))
        np.maximum(best, stepped, out=best)
        np.copyto(back[t], 2, where=landed > best)
        np.maximum(best, landed, out=best)
        np.maximum(best, IMPOSSIBLE, out=best)
        best += padded[t].take(columns)
        if t in ended:
            final[ended[t]] = best[ended[t]]
    return [_trace(final[row], back[: lengths[row], row], chain) for row, chain in enumerate(chains)]


def _trace(final: np.ndarray, back: np.ndarray, chain: Chain) -> tuple[np.ndarray, float]:
    state = max(chain.ends, key=lambda s: float(final[s]))
    total = float(final[state])
    path = np.empty(len(back), np.int32)
    for t in range(len(back) - 1, -1, -1):
        path[t] = state
        move = back[t, state]
        state = state - 1 if move == 1 else state - int(chain.jump[state]) if move == 2 else state
    return _checked(path, total)


def _checked(path: np.ndarray, total: float) -> tuple[np.ndarray, float]:
    if np.isnan(total):
        raise DataError("a score is not a number", fix="check the features that it was computed from")
    return path, (total if total > IMPOSSIBLE / 2 else -np.inf)


def _stack(rows: Sequence[np.ndarray], fill: float) -> np.ndarray:
    out = np.full((len(rows), max(map(len, rows))), fill, rows[0].dtype)
    for row, values in zip(out, rows):
        row[: len(values)] = values
    return out
