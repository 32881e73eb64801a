"""Beam search over a CTC output, together with an n-gram of phones counted on training transcripts."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from ctaplib.config import Config

_Prefix = tuple[int, ...]
_Scores = tuple[float, float]
_NONE = -math.inf
_START = -1


class SearchConfig(Config):
    """Settings of the search (our choice); tune them on the dev set."""

    order: int = 0
    """Order of the n-gram; 0: no search, the best label of every frame is taken."""
    weight: float = 0.3
    """Weight of the n-gram's log-probability."""
    bonus: float = 0.5
    """Added for every phone, because the n-gram favours short transcripts."""
    beam: int = 12
    """Prefixes kept after every frame."""
    labels: int = 8
    """Best labels of a frame that extend a prefix."""


class PhoneNgram:
    """Interpolated n-gram of label ids below `size`: P(c | h) = (C(h c) + U(h) P(c | h')) / (C(h) + U(h)).

    C is a count, U(h) the number of different phones seen after h, and h' is h without its first phone.

    Source: Witten and Bell 1991; the interpolated form of Chen and Goodman 1999, section 2.4. The empty history
    is interpolated with a uniform distribution.
    """

    def __init__(self, transcripts: Iterable[Sequence[int]], order: int, size: int) -> None:
        self.order, self.size = order, size
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for transcript in transcripts:
            padded = [_START] * (order - 1) + list(transcript)
            for i in range(order - 1, len(padded)):
                for length in range(order):
                    self._counts[tuple(padded[i - length : i])][padded[i]] += 1
        self._probs: dict[tuple[int, ...], np.ndarray] = {}

    def history(self, before: Sequence[int]) -> tuple[int, ...]:
        """Return the last order - 1 phones of an utterance's beginning, padded with _START."""
        kept = self.order - 1
        return tuple(([_START] * kept + list(before))[-kept:]) if kept else ()

    def log_probs(self, history: tuple[int, ...]) -> np.ndarray:
        """Compute the natural logarithm of P(c | history) for every label c: (size,)."""
        return np.log(self._prob(history))

    def _prob(self, history: tuple[int, ...]) -> np.ndarray:
        if history not in self._probs:
            lower = self._prob(history[1:]) if history else np.full(self.size, 1.0 / self.size)
            seen = self._counts.get(history, Counter())
            prob = len(seen) * lower
            for label, count in seen.items():
                prob[label] += count
            self._probs[history] = prob / prob.sum() if seen else lower
        return self._probs[history]


def search_ctc(log_probs: np.ndarray, ngram: PhoneNgram, config: SearchConfig, unspoken: Collection[int]) -> list[int]:
    """Return the labels of the transcript with the best log P_ctc + weight * log P_ngram + bonus * length in the beam.

    Args:
        log_probs: (T, C) log-probabilities of a CTC output, blank 0.
        ngram, config: n-gram of the labels that are not in `unspoken`; weights and widths.
        unspoken: Labels (silence) that the n-gram does not count; they have neither probability nor bonus.

    Source: Graves and Jaitly 2014, algorithm 1 (prefix search by beam); Hannun et al. 2014 (arXiv 1408.2873),
    section 2.2, for weight and bonus.
    """
    beams: dict[_Prefix, _Scores] = {(): (0.0, _NONE)}  # log P of ending in blank, and in a label
    scores: dict[_Prefix, float] = {(): 0.0}  # of n-gram and bonus
    ranked: list[_Prefix] = [()]
    width = min(config.labels, log_probs.shape[1])
    best_labels = np.argpartition(log_probs, -width, axis=1)[:, -width:]

    def extend(prefix: _Prefix, label: int) -> _Prefix:
        longer = (*prefix, label)
        if longer not in scores:
            scores[longer] = scores[prefix]
            if label not in unspoken:
                history = ngram.history([c for c in prefix if c not in unspoken])
                scores[longer] += config.weight * float(ngram.log_probs(history)[label]) + config.bonus
        return longer

    for frame, labels in zip(log_probs, best_labels.tolist()):
        beams = _advance(beams, frame.tolist(), labels, extend)
        ranked = sorted(beams, key=lambda p: (-_log_add(*beams[p]) - scores[p], p))
        beams = {p: beams[p] for p in ranked[: config.beam]}
    return list(ranked[0])


def _advance(
    beams: dict[_Prefix, _Scores],
    frame: list[float],
    labels: list[int],
    extend: Callable[[_Prefix, int], _Prefix],
) -> dict[_Prefix, _Scores]:
    """Extend all prefixes by one frame; equal prefixes are merged."""
    beams_after: dict[_Prefix, _Scores] = {}

    def add(prefix: _Prefix, blank: float, label: float) -> None:
        old = beams_after.get(prefix, (_NONE, _NONE))
        beams_after[prefix] = (_log_add(old[0], blank), _log_add(old[1], label))

    for prefix, (blank, label) in beams.items():
        total = _log_add(blank, label)
        add(prefix, total + frame[0], label + frame[prefix[-1]] if prefix else _NONE)
        for c in labels:
            if c:
                add(extend(prefix, c), _NONE, (blank if prefix and c == prefix[-1] else total) + frame[c])
    return beams_after


def _log_add(a: float, b: float) -> float:
    if a == _NONE or b == _NONE:
        return max(a, b)
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
