"""States that an utterance passes through: the phones of its text, and silence where it may pause."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import unit_of
from ctaplib.align.viterbi import IMPOSSIBLE, Chain
from ctaplib.corpus.alignment import Interval
from ctaplib.errors import DataError
from ctaplib.phones import SILENCE

NO_SILENCE_SCORE = -0.2
"""Log-score of skipping an optional silence."""


@dataclass(frozen=True)
class Graph:
    """The states of an utterance."""

    chain: Chain
    owner: np.ndarray
    """(S,) int32, index of the phone of each state; -1 - i for silence before phone i."""


class Topology:
    """A left-to-right model of equally many states for each unit; every state lasts at least one frame.

    Args:
        config: Classes of the states, and scores of the moves.
        units: Names of the units; the first is silence.
    """

    def __init__(self, config: AlignConfig, units: Sequence[str]) -> None:
        self.config, self.units = config, tuple(units)
        self.per_unit = max(config.pattern) + 1
        """Classes of one unit."""
        self.n_classes = len(units) * self.per_unit

    def graph(self, phones: Sequence[str]) -> Graph:
        """Return the graph of the phones of an utterance, with an optional silence before each and after the last.

        Raises:
            DataError: phones that the topology does not have.
        """
        config = self.config
        index = {unit: i for i, unit in enumerate(self.units)}
        units = [unit_of(phone, config.drop_tone) for phone in phones]
        unknown = sorted({phone for phone, unit in zip(phones, units) if unit not in index})
        if unknown or not phones:
            found = f"phones that training did not have: {' '.join(unknown)}" if unknown else "there are no phones"
            raise DataError(found, fix="correct the text, or train the aligner on data that has them")
        slot_units, owner = np.zeros((2, 2 * len(units) + 1), np.int32)  # silence is unit 0
        slot_units[1::2] = [index[unit] for unit in units]
        owner[1::2] = np.arange(len(units))
        owner[::2] = -1 - np.arange(len(units) + 1)
        k = len(config.pattern)
        classes = (slot_units[:, None] * self.per_unit + np.array(config.pattern, np.int32)).reshape(-1)
        n_states = len(classes)
        step = np.full(n_states, config.change_score, np.float32)
        step[:: 2 * k] += config.silence_score
        leap = np.full(n_states, IMPOSSIBLE)
        leap[3 * k :: 2 * k] = config.change_score + NO_SILENCE_SCORE  # the first silence is skipped by starting after it
        chain = Chain(classes.astype(np.int32), k + 1, step, leap, (0, k), (n_states - 1, n_states - 1 - k))
        return Graph(chain, np.repeat(owner, k))

    def shortest(self, n_phones: int) -> int:
        """Return the fewest frames of an utterance of `n_phones` phones."""
        return n_phones * len(self.config.pattern)


def to_intervals(
    path: np.ndarray, owner: np.ndarray, phones: Sequence[str], hop_s: float, end_s: float, lead_s: float = 0.0
) -> list[Interval]:
    """Convert a path to phones with times; the last one ends where the audio does.

    Args:
        path: (T,) state of every frame.
        owner: (S,) phone of every state, negative for silence.
        phones: (N,) names as in the text.
        hop_s: Hop of the features, seconds.
        end_s: Length of the audio, seconds.
        lead_s: How long before its time a sound shows in the features; boundaries are moved back by it, never beyond the end.
    """
    of_frame = owner[path]
    first = np.flatnonzero(np.diff(of_frame, prepend=of_frame[0] + 1))
    seen_s = first * hop_s
    start_s = np.minimum(seen_s + lead_s * (first > 0), (seen_s + end_s) / 2 * (first > 0))
    times_s = [*start_s.tolist(), end_s]
    return [
        Interval(SILENCE if of_frame[t] < 0 else phones[of_frame[t]], begin_s, stop_s)
        for t, begin_s, stop_s in zip(first, times_s, times_s[1:])
    ]
