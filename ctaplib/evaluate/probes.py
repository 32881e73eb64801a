"""What the codes hold: use of the code book, phone retrieval, and a linear speaker probe (no torch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

CONTEXT = 5
_CHUNK = 2048


def usage_pct(counts: np.ndarray) -> np.ndarray:
    """Share of codes that occur, in per cent; (sets, codes) to (sets,)."""
    return 100.0 * (counts > 0).mean(1)


def perplexity(counts: np.ndarray) -> np.ndarray:
    """2 to the entropy (bits) of the code distribution; (sets, codes) to (sets,)."""
    shares = counts / counts.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.where(shares > 0, shares * np.log2(shares), 0.0).sum(1)
    return 2.0**bits


@dataclass(frozen=True)
class Hits:
    """Right answers and questions by utterance, in the order of the utterances' first frames."""

    right: np.ndarray
    asked: np.ndarray


def retrieve(queries: np.ndarray, candidates: np.ndarray, phones: np.ndarray, utts: np.ndarray, asked: np.ndarray) -> Hits:
    """Does the nearest candidate of another utterance (cosine) have the query's phone?

    Args:
        queries: (frames, d).
        candidates: (frames, d), row i belongs to the same frame as query i.
        phones: (frames,) phone of each frame, integers.
        utts: (frames,) utterance of each frame, integers from 0 without gaps.
        asked: Indices of the frames that are asked; all frames are candidates.

    Returns:
        Hits over utterances. A query without a candidate in another utterance counts as wrong.
    """
    n_utts = int(utts.max()) + 1
    bank = _unit(candidates).T
    right = np.zeros(n_utts)
    for start in range(0, len(asked), _CHUNK):
        rows = asked[start : start + _CHUNK]
        scores = _unit(queries[rows]) @ bank
        scores[utts[rows][:, None] == utts[None]] = -np.inf
        best = scores.argmax(1)
        found = (phones[best] == phones[rows]) & np.isfinite(scores[np.arange(len(rows)), best])
        right += np.bincount(utts[rows], weights=found, minlength=n_utts)
    return Hits(right, np.bincount(utts[asked], minlength=n_utts).astype(float))


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def evenly_spaced(n: int, most: int) -> np.ndarray:
    """Evenly spaced indices, all of them when there are at most `most`."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(int))


def windows(sequence: np.ndarray) -> np.ndarray:
    """Five neighbouring frames side by side, (frames - 4, 5 d); only full windows."""
    frames = len(sequence) - CONTEXT + 1
    if frames < 1:
        return np.zeros((0, CONTEXT * sequence.shape[1]), np.float32)
    return np.concatenate([sequence[k : k + frames] for k in range(CONTEXT)], axis=1).astype(np.float32)


def choose_train(speakers: Sequence[str], lengths: Sequence[int], most_frames: int) -> list[int]:
    """Utterances to fit on: every speaker in turn gives its next one until `most_frames` are reached.

    Args:
        speakers: Speaker of each utterance, in a fixed order.
        lengths: Frames of each utterance.
        most_frames: Where to stop.
    """
    queues: dict[str, list[int]] = {}
    for index, speaker in enumerate(speakers):
        queues.setdefault(speaker, []).append(index)
    chosen: list[int] = []
    frames = turn = 0
    while frames < most_frames and any(turn < len(queue) for queue in queues.values()):
        for speaker in sorted(queues):
            if turn < len(queues[speaker]) and frames < most_frames:
                chosen.append(queues[speaker][turn])
                frames += lengths[queues[speaker][turn]]
        turn += 1
    return chosen


@dataclass(frozen=True)
class Probe:
    """A fitted multinomial logistic regression."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Class of every row of (n, features)."""
        return ((inputs - self.mean) / self.scale @ self.weights + self.bias).argmax(1)


def fit_probe(inputs: np.ndarray, classes: np.ndarray, n_classes: int, l2: float, steps: int = 80) -> Probe:
    """Fit by L-BFGS on standardised features from zero weights; deterministic.

    Args:
        inputs: (n, features).
        classes: (n,) integers below n_classes.
        n_classes: Number of classes.
        l2: Weight of half the squared norm of the weights, beside the mean cross-entropy.
        steps: L-BFGS iterations at most.
    """
    mean, scale = inputs.mean(0), inputs.std(0)
    scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    x = ((inputs - mean) / scale).astype(np.float32)
    truth = np.zeros((len(x), n_classes), np.float32)
    truth[np.arange(len(x)), classes] = 1.0
    shape = (x.shape[1] + 1, n_classes)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(shape).astype(np.float32)
        logits = x @ both[:-1] + both[-1]
        logits -= logits.max(1, keepdims=True)
        shares = np.exp(logits)
        total = shares.sum(1, keepdims=True)
        entropy = float(np.mean(np.log(total[:, 0]) - (logits * truth).sum(1), dtype=np.float64))
        error = (shares / total - truth) / len(x)
        gradient = np.concatenate([x.T @ error + l2 * both[:-1], error.sum(0, keepdims=True)])
        penalty = 0.5 * l2 * float(np.square(both[:-1], dtype=np.float64).sum())
        return entropy + penalty, gradient.astype(np.float64).reshape(-1)

    solution = minimize(loss, np.zeros(shape).reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    both = solution.x.reshape(shape).astype(np.float32)
    return Probe(mean, scale, both[:-1], both[-1])


def speaker_probe(
    train: Sequence[tuple[np.ndarray, int]], test: Sequence[tuple[np.ndarray, int]], n_classes: int, l2: float
) -> Hits:
    """Fit on sequences of some utterances, score the frames of others.

    Args:
        train: (frames, d) and speaker of every utterance to fit on.
        test: The same of every utterance to score.
        n_classes: Speakers.
        l2: See `fit_probe`.

    Returns:
        Hits by test utterance, in the order given.
    """
    stacked = [(windows(sequence), speaker) for sequence, speaker in train]
    classes = np.concatenate([np.full(len(rows), speaker) for rows, speaker in stacked])
    probe = fit_probe(np.concatenate([rows for rows, _ in stacked]), classes, n_classes, l2)
    right, asked = [], []
    for sequence, speaker in test:
        rows = windows(sequence)
        right.append(float((probe.predict(rows) == speaker).sum()) if len(rows) else 0.0)
        asked.append(float(len(rows)))
    return Hits(np.array(right), np.array(asked))
