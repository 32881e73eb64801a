"""States that an utterance passes through: the phones of its text, and silence where it may pause."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.align.config import AlignConfig
from ctaplib.align.corpus import unit_of
from ctaplib.align.viterbi import Chain
from ctaplib.corpus.alignment import Interval
from ctaplib.errors import DataError
from ctaplib.phones import SILENCE

SILENCE_UNIT = 0


@dataclass(frozen=True)
class Graph:
    """The states of an utterance.

    Attributes:
        chain: The states, (S).
        owner: (S,) int32, index of the phone of each state; -1 - i for silence before phone i.
    """

    chain: Chain
    owner: np.ndarray


@dataclass(frozen=True)
class Topology:
    """A left-to-right model of equally many states for each unit.

    Attributes:
        units: Names of the units; the first is silence.
        pattern: Class of each state within its unit; every state lasts at least one frame.
        silence_score: Score of entering an optional silence.
        no_silence_score: Score of skipping one.
        change_score: Score of leaving a state (staying costs nothing): small, so that the sounds decide.
    """

    units: tuple[str, ...]
    pattern: tuple[int, ...] = (0, 0, 0)
    silence_score: float = -2.0
    no_silence_score: float = -0.2
    change_score: float = -0.5

    @property
    def n_classes(self) -> int:
        """Classes of all units together."""
        return len(self.units) * self.per_unit

    @property
    def per_unit(self) -> int:
        """Classes of one unit."""
        return max(self.pattern) + 1

    @property
    def states(self) -> int:
        """States of one unit, and so its least duration in frames."""
        return len(self.pattern)

    def graph(self, units: Sequence[int]) -> Graph:
        """Build the graph of units, (N,), with an optional silence before each and after the last."""
        slots: list[tuple[int, int]] = []
        for i, unit in enumerate(units):
            slots += [(SILENCE_UNIT, -1 - i), (unit, i)]
        slots.append((SILENCE_UNIT, -1 - len(units)))
        k = self.states
        slot_units = np.array([u for u, _ in slots], np.int32)
        owner = np.array([o for _, o in slots], np.int32)
        classes = (slot_units[:, None] * self.per_unit + np.array(self.pattern, np.int32)).reshape(-1)
        n_states = len(classes)
        step = np.full(n_states, self.change_score, np.float32)
        jump, leap = np.zeros(n_states, np.int32), np.zeros(n_states, np.float32)
        first = np.arange(len(slots)) * k
        silent = owner < 0
        step[first[silent]] += self.silence_score
        after = np.flatnonzero(silent[:-1]) + 1
        after = after[after >= 2]  # silence at the very start is skipped by starting after it
        jump[first[after]] = k + 1
        leap[first[after]] = self.change_score + self.no_silence_score
        stay = np.zeros(n_states, np.float32)
        ends = (n_states - 1, n_states - 1 - k)
        return Graph(Chain(classes.astype(np.int32), jump, stay, step, leap, (0, k), ends), np.repeat(owner, k))

    def shortest(self, n_phones: int) -> int:
        """Return the fewest frames of an utterance of `n_phones` phones."""
        return n_phones * self.states


def make_topology(config: AlignConfig, units: tuple[str, ...]) -> Topology:
    """Return the topology of a config over an inventory of units."""
    return Topology(units, config.pattern, config.silence_score, change_score=config.change_score)


def make_graph(topology: Topology, phones: Sequence[str], drop_tone: bool) -> Graph:
    """Return the graph of the phones of an utterance, with silence allowed everywhere.

    Raises:
        DataError: phones that the topology does not have.
    """
    index = {unit: i for i, unit in enumerate(topology.units)}
    units = [unit_of(phone, drop_tone) for phone in phones]
    unknown = sorted({phone for phone, unit in zip(phones, units) if unit not in index})
    if unknown or not phones:
        found = f"phones that training did not have: {' '.join(unknown)}" if unknown else "there are no phones"
        raise DataError(found, fix="correct the text, or train the aligner on data that has them")
    return topology.graph([index[unit] for unit in units])


def to_intervals(
    path: np.ndarray, owner: np.ndarray, phones: Sequence[str], hop_s: float, end_s: float, lead_s: float = 0.0
) -> list[Interval]:
    """Convert a path to phones with times; the last one ends where the audio does.

    Args:
        path: (T,) state of every frame.
        owner: (S,) phone of every state, negative for silence.
        phones: (N,) names as in the text.
        hop_s: Seconds per frame.
        end_s: Length of the audio.
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
