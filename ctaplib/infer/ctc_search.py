"""Beam search over what a CTC output says, together with an n-gram of phones."""

import math
from collections.abc import Callable, Collection

import numpy as np

from ctaplib.config import Config
from ctaplib.infer.phone_ngram import PhoneNgram

_Prefix = tuple[int, ...]
_Scores = tuple[float, float]
_NONE = -math.inf


class SearchConfig(Config):
    """The search for phones; all are our choice, to be made on dev."""

    order: int = 0
    """Phones that the n-gram counts together; 0: no search, the best label of every frame is taken."""
    weight: float = 0.3
    """Weight of the n-gram's log-probability."""
    bonus: float = 0.5
    """Added for every phone, against the n-gram's liking for short transcripts."""
    beam: int = 12
    """Transcripts kept after every frame."""
    labels: int = 8
    """Best labels of a frame that are tried."""


def search_ctc(log_probs: np.ndarray, ngram: PhoneNgram, config: SearchConfig, unspoken: Collection[int]) -> list[int]:
    """Labels of the transcript with the best log P_ctc + weight * log P_ngram + bonus * length that the beam keeps.

    Args:
        log_probs: (T, C) log-probabilities of a CTC output, blank 0.
        ngram: P(c | before), over the spoken labels alone.
        config: Weights and widths.
        unspoken: Labels (silence) that the n-gram does not count; they cost and earn nothing.

    Source: Graves and Jaitly 2014, algorithm 1 (prefix search by beam); Hannun et al. 2014 (arXiv 1408.2873),
    section 2.2, for weight and bonus.
    """
    beams: dict[_Prefix, _Scores] = {(): (0.0, _NONE)}  # log P of ending in blank, and in a label
    extras: dict[_Prefix, float] = {(): 0.0}
    spoken: dict[_Prefix, _Prefix] = {(): ngram.history(())}
    tried = min(config.labels, log_probs.shape[1])
    best_labels = np.argpartition(log_probs, -tried, axis=1)[:, -tried:]

    def extend(prefix: _Prefix, label: int) -> _Prefix:
        longer = (*prefix, label)
        if longer not in extras:
            extra, history = extras[prefix], spoken[prefix]
            if label not in unspoken:
                extra += config.weight * float(ngram.log_probs(history)[label]) + config.bonus
                history = (*history, label)[1:] if history else ()
            extras[longer], spoken[longer] = extra, history
        return longer

    for frame, labels in zip(log_probs, best_labels.tolist()):
        beams = _best(_advance(beams, frame.tolist(), labels, extend), extras, config.beam)
    best = max(beams, key=lambda p: _either(beams[p]) + extras[p])
    return list(best)


def _advance(
    beams: dict[_Prefix, _Scores],
    frame: list[float],
    labels: list[int],
    extend: Callable[[_Prefix, int], _Prefix],
) -> dict[_Prefix, _Scores]:
    """All transcripts after one more frame."""
    found: dict[_Prefix, _Scores] = {}

    def add(prefix: _Prefix, blank: float, label: float) -> None:
        old = found.get(prefix, (_NONE, _NONE))
        found[prefix] = (_log_add(old[0], blank), _log_add(old[1], label))

    for prefix, (blank, label) in beams.items():
        total = _log_add(blank, label)
        add(prefix, total + frame[0], label + frame[prefix[-1]] if prefix else _NONE)
        for c in labels:
            if c:
                add(extend(prefix, c), _NONE, (blank if prefix and c == prefix[-1] else total) + frame[c])
    return found


def _best(found: dict[_Prefix, _Scores], extras: dict[_Prefix, float], beam: int) -> dict[_Prefix, _Scores]:
    ranked = sorted(found, key=lambda p: (-_either(found[p]) - extras[p], p))
    return {p: found[p] for p in ranked[:beam]}


def _either(scores: _Scores) -> float:
    return _log_add(*scores)


def _log_add(a: float, b: float) -> float:
    if a == _NONE or b == _NONE:
        return max(a, b)
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
