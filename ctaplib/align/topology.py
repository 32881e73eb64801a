"""Which states an utterance passes through: the phones of its text, and silence where it may pause."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.align.viterbi import Chain
from ctaplib.corpus.alignment import Interval
from ctaplib.phones import SILENCE

SILENCE_UNIT = 0


@dataclass(frozen=True)
class Topology:
    """A left-to-right model of so many states for each unit.

    Attributes:
        units: Names of the units; the first is silence.
        pattern: Class of each state within its unit; every state lasts at least one frame.
        silence_score: Score of entering an optional silence.
        no_silence_score: Score of passing one over.
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

    def chain(self, units: Sequence[int], may_pause: Sequence[bool]) -> tuple[Chain, np.ndarray]:
        """Build the chain of an utterance.

        Args:
            units: (N,) unit of every phone.
            may_pause: (N + 1,) whether silence may stand before each phone, and after the last.

        Returns:
            The chain, and (S,) int32 that says for each state which phone it belongs to; silence before phone i is
            -1 - i.
        """
        slots: list[tuple[int, int]] = []
        for i, unit in enumerate(units):
            if may_pause[i]:
                slots.append((SILENCE_UNIT, -1 - i))
            slots.append((unit, i))
        if may_pause[len(units)]:
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
        after = after[after >= 2]  # silence at the very start is passed over by starting behind it
        jump[first[after]] = k + 1
        leap[first[after]] = self.change_score + self.no_silence_score
        starts = (0, k) if silent[0] and len(slots) > 1 else (0,)
        ends = (n_states - 1, n_states - 1 - k) if silent[-1] and len(slots) > 1 else (n_states - 1,)
        stay = np.zeros(n_states, np.float32)
        return Chain(classes.astype(np.int32), jump, stay, step, leap, starts, ends), np.repeat(owner, k)

    def shortest(self, n_phones: int) -> int:
        """Fewest frames that so many phones can have."""
        return n_phones * self.states


def to_intervals(
    path: np.ndarray, owner: np.ndarray, phones: Sequence[str], hop_s: float, end_s: float, lead_s: float = 0.0
) -> list[Interval]:
    """Turn a path into phones with times; the last one ends where the audio does.

    Args:
        path: (T,) state of every frame.
        owner: (S,) phone of every state, negative for silence.
        phones: (N,) names as they stand in the text.
        hop_s: Seconds a frame.
        end_s: Length of the audio.
        lead_s: How long before its time a sound is heard; boundaries are moved back by it, never beyond the end.
    """
    of_frame = owner[path]
    first = np.flatnonzero(np.diff(of_frame, prepend=of_frame[0] + 1))
    heard_s = first * hop_s
    said_s = np.minimum(heard_s + lead_s * (first > 0), (heard_s + end_s) / 2 * (first > 0))
    times_s = [*said_s.tolist(), end_s]
    return [
        Interval(SILENCE if of_frame[t] < 0 else phones[of_frame[t]], start_s, stop_s)
        for t, start_s, stop_s in zip(first, times_s, times_s[1:])
    ]
