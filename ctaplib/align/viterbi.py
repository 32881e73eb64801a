"""The best path through a left-to-right chain of states, some of which may be jumped over.

A chain has states 0..S-1. From one frame to the next a path stays in state s, steps from s-1, or jumps from
s-jump[s] (over an optional silence). The compiled form needs numba; the other, in numpy, takes a whole padded batch a
frame at a time and returns the same paths. Neither sees padding, so a path depends on its own utterance alone.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.errors import DataError

IMPOSSIBLE = np.float32(-1e30)

_compiled: list[Callable[..., float]] = []


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
    if not compiled:
        return best_paths([scores], [chain])[0]
    scores = np.ascontiguousarray(scores, np.float32)
    path = np.empty(len(scores), np.int32)
    starts, ends = np.array(chain.starts, np.int32), np.array(chain.ends, np.int32)
    total = _kernel()(scores, chain.classes, chain.jump, chain.stay, chain.step, chain.leap, starts, ends, path)
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


def _kernel() -> Callable[..., float]:
    """Compile on first use; the machine code is kept beside this file for later processes."""
    if not _compiled:
        numba = importlib.import_module("numba")
        _compiled.append(numba.njit(cache=True, nogil=True, fastmath=False)(_loop))
    return _compiled[0]


def _loop(scores, classes, jump, stay, step, leap, starts, ends, path):  # type: ignore[no-untyped-def]  # numba reads it
    """A frame at a time, over the states that lie on some whole path.

    State s lies at place s + room of `old` and `new`. Loops over states hold no branch and run over whole vectors. A state that no
    path can have reached was never written and is as low as can be; what is written to one from which no end can be reached
    is read by none from which it can.
    """
    n_frames, n_states = len(scores), len(classes)
    lowest, vector, block = np.float32(-1e30), 32, 8
    room = max(1, jump.max())
    width = -(-n_states // vector) * vector
    stays, steps = np.zeros((2, width), np.float32)
    stays[:n_states], steps[:n_states] = stay, step
    distances = np.unique(jump[jump > 0])
    leaps = np.full((len(distances), width), lowest, np.float32)
    for d in range(len(distances)):
        for s in range(n_states):
            if jump[s] == distances[d]:
                leaps[d, s] = leap[s]
    common = np.argmax(np.bincount(classes))  # read once a frame: half of the states of a CTC graph are blanks
    others = np.flatnonzero(classes != common).astype(np.uint32)
    columns = classes[others].astype(np.uint32)
    emitted = np.empty((block, width), np.float32)  # of several frames: what was just written cannot be read back as a vector
    old = np.full(width + room, lowest, np.float32)
    new = np.full(width + room, lowest, np.float32)
    back = np.empty((n_frames, width), np.int8)
    back[0] = 0
    for state in starts:
        old[room + state] = scores[0, classes[state]]
    furthest, nearest_end = starts.max(), ends.min()
    here, before = np.uint64(room), np.uint64(room - 1)
    for t in range(1, n_frames):
        at = t % block
        if at == 0 or t == 1:
            for k in range(at, min(block, n_frames - t + at)):
                row = scores[t - at + k]
                emitted[k] = row[common]
                for n in range(len(others)):
                    emitted[k, others[n]] = row[columns[n]]
        first = np.uint64(max(0, nearest_end - room * (n_frames - 1 - t)) // vector * vector)
        behind = np.uint64(min(width, ((furthest + room * t) // vector + 1) * vector))
        if len(distances) == 1:
            there = np.uint64(room - distances[0])
            for s in range(first, behind):
                stayed, stepped, landed = old[here + s] + stays[s], old[before + s] + steps[s], old[there + s] + leaps[0, s]
                value = stepped if stepped > stayed else stayed
                move = np.int8(1) if stepped > stayed else np.int8(0)
                back[t, s] = np.int8(2) if landed > value else move
                value = landed if landed > value else value
                new[here + s] = (lowest if value < lowest else value) + emitted[at, s]
        else:
            for s in range(first, behind):
                stayed, stepped = old[here + s] + stays[s], old[before + s] + steps[s]
                back[t, s] = np.int8(1) if stepped > stayed else np.int8(0)
                new[here + s] = stepped if stepped > stayed else stayed
            for d in range(len(distances)):
                there = np.uint64(room - distances[d])
                for s in range(first, behind):
                    landed = old[there + s] + leaps[d, s]
                    back[t, s] = np.int8(2) if landed > new[here + s] else back[t, s]
                    new[here + s] = landed if landed > new[here + s] else new[here + s]
            for s in range(first, behind):
                new[here + s] = (lowest if new[here + s] < lowest else new[here + s]) + emitted[at, s]
        old, new = new, old
    state = ends.min()
    for end in ends:
        if old[room + end] > old[room + state]:
            state = end
    total = old[room + state]
    for t in range(n_frames - 1, -1, -1):
        path[t] = state
        if back[t, state] == 1:
            state -= 1
        elif back[t, state] == 2:
            state -= jump[state]
    return total
