"""An n-gram of phones, counted on training transcripts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

START = -1


class PhoneNgram:
    """Interpolated n-gram: P(c | h) = (C(h c) + U(h) P(c | h')) / (C(h) + U(h)).

    C is a count, U(h) the number of different phones seen after h, and h' is h without its first phone.

    Args:
        transcripts: Label ids of every utterance.
        order: n, at least 1.
        size: Number of labels.

    Source: Witten and Bell 1991; the interpolated form of Chen and Goodman 1999, section 2.4. The empty history
    is interpolated with a uniform distribution.
    """

    def __init__(self, transcripts: Iterable[Sequence[int]], order: int, size: int) -> None:
        self.order, self.size = order, size
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for transcript in transcripts:
            padded = [START] * (order - 1) + list(transcript)
            for i in range(order - 1, len(padded)):
                for length in range(order):
                    self._counts[tuple(padded[i - length : i])][padded[i]] += 1
        self._probs: dict[tuple[int, ...], np.ndarray] = {}

    def history(self, before: Sequence[int]) -> tuple[int, ...]:
        """Return the last order - 1 phones of an utterance's beginning, padded with START."""
        kept = self.order - 1
        return tuple(([START] * kept + list(before))[-kept:]) if kept else ()

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
