"""Measures of the content: phone retrieval and a linear speaker probe."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

CONTEXT = 5
_CHUNK = 2048


@dataclass(frozen=True)
class Hits:
    """Numbers of correct and of queried frames per utterance, in the order of the utterances' first frames."""

    correct: np.ndarray
    total: np.ndarray


def retrieve(queries: np.ndarray, candidates: np.ndarray, phones: np.ndarray, utts: np.ndarray, chosen: np.ndarray) -> Hits:
    """Count the queries whose nearest candidate (cosine) of another utterance has the same phone.

    Args:
        queries: (frames, d).
        candidates: (frames, d), row i belongs to the same frame as query i.
        phones: (frames,) phone of each frame, integers.
        utts: (frames,) utterance of each frame, integers from 0 without gaps.
        chosen: Indices of the frames whose queries are made; all frames are candidates.

    Returns:
        Hits over utterances. A query without a candidate in another utterance counts as wrong.
    """
    n_utts = int(utts.max()) + 1
    bank = _unit(candidates).T
    correct = np.zeros(n_utts)
    for start in range(0, len(chosen), _CHUNK):
        rows = chosen[start : start + _CHUNK]
        scores = _unit(queries[rows]) @ bank
        scores[utts[rows][:, None] == utts[None]] = -np.inf
        best = scores.argmax(1)
        found = (phones[best] == phones[rows]) & np.isfinite(scores[np.arange(len(rows)), best])
        correct += np.bincount(utts[rows], weights=found, minlength=n_utts)
    return Hits(correct, np.bincount(utts[chosen], minlength=n_utts).astype(float))


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def evenly_spaced(n: int, most: int) -> np.ndarray:
    """Return evenly spaced indices; all of them when there are at most `most`."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(int))


def windows(sequence: np.ndarray) -> np.ndarray:
    """Put five neighbouring frames side by side, (frames - 4, 5 d); only full windows."""
    frames = len(sequence) - CONTEXT + 1
    if frames < 1:
        return np.zeros((0, CONTEXT * sequence.shape[1]), np.float32)
    return np.concatenate([sequence[k : k + frames] for k in range(CONTEXT)], axis=1).astype(np.float32)


def choose_train(speakers: Sequence[str], lengths: Sequence[int], most_frames: int) -> list[int]:
    """Choose utterances to fit on: the next one of every speaker in turn, until `most_frames` are reached.

    Args:
        speakers: Speaker of each utterance, in a fixed order.
        lengths: Frames of each utterance.
        most_frames: Where to stop.
    """
    of_speaker: dict[str, list[int]] = {}
    for index, speaker in enumerate(speakers):
        of_speaker.setdefault(speaker, []).append(index)
    order = [index for indices in zip_longest(*of_speaker.values()) for index in indices if index is not None]
    frames_before = np.cumsum([0, *(lengths[index] for index in order)])
    return [index for index, frames in zip(order, frames_before) if frames < most_frames]


def fit_probe(inputs: np.ndarray, classes: np.ndarray, l2: float, steps: int = 80) -> Pipeline:
    """Fit multinomial logistic regression on standardised features by L-BFGS from zero weights; deterministic.

    Args:
        inputs: (n, features).
        classes: (n,) integers.
        l2: Weight of half the squared norm of the weights, beside the mean cross-entropy.
        steps: L-BFGS iterations at most; the default is part of the metric, more of them move it by up to two points.
    """
    # scikit-learn weights the sum of the cross-entropy by C. For two classes it has one weight vector, the difference of the
    # two of the softmax, whose penalty is twice as large.
    strength = (2.0 if len(np.unique(classes)) == 2 else 1.0) / (l2 * len(inputs))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=steps))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return probe.fit(inputs, classes)


def speaker_probe(train: Sequence[tuple[np.ndarray, int]], test: Sequence[tuple[np.ndarray, int]], l2: float) -> Hits:
    """Fit on sequences of some utterances, score the frames of others.

    Args:
        train: (frames, d) and speaker of every utterance to fit on.
        test: The same of every utterance to score.
        l2: See `fit_probe`.

    Returns:
        Hits by test utterance, in the order given.
    """
    stacked = [(windows(sequence), speaker) for sequence, speaker in train]
    classes = np.concatenate([np.full(len(rows), speaker) for rows, speaker in stacked])
    probe = fit_probe(np.concatenate([rows for rows, _ in stacked]), classes, l2)
    tested = [(windows(sequence), speaker) for sequence, speaker in test]
    correct = [float((probe.predict(rows) == speaker).sum()) if len(rows) else 0.0 for rows, speaker in tested]
    return Hits(np.array(correct), np.array([float(len(rows)) for rows, _ in tested]))
