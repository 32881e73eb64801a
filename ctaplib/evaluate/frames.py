"""Phones of an utterance as labels of longer frames, and which of these frames lie inside one phone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.corpus.alignment import Interval, frame_phones, to_durations
from ctaplib.phones import SILENCE

REFERENCE_S = 0.040
"""Frame length of the mel and true-phone rows, seconds; one for all methods, so that rows are comparable."""
_SLACK_S = 2e-4


@dataclass(frozen=True)
class Frames:
    """Frames of several feature frames each.

    Attributes:
        hop_s: Seconds from one feature frame to the next.
        hop: Feature frames in one frame.
    """

    hop_s: float
    hop: int

    @property
    def seconds(self) -> float:
        """Length of a frame."""
        return self.hop_s * self.hop


def reference_frames(hop_s: float) -> Frames:
    """Return the frames nearest to `REFERENCE_S`."""
    return Frames(hop_s, max(1, round(REFERENCE_S / hop_s)))


def label_frames(phones: Sequence[Interval], n_frames: int, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Label frames; a frame after the last phone is silence and lies inside no phone.

    Returns:
        The phone that fills most of each frame, (n_frames,), and whether the whole frame lies inside it, (n_frames,).
    """
    names = np.full(n_frames, SILENCE, object)
    inside = np.zeros(n_frames, bool)
    if not phones or not n_frames:
        return names, inside
    labels, durations = to_durations(phones, max(1, round(phones[-1].end_s / frames.hop_s)), frames.hop_s)
    owners = frame_phones(durations, frames.hop)[:n_frames]
    names[: len(owners)] = np.array(labels, object)[owners]
    starts = np.array([phone.start_s for phone in phones])[owners]
    ends = np.array([phone.end_s for phone in phones])[owners]
    edges = np.arange(len(owners) + 1) * frames.seconds
    inside[: len(owners)] = (starts <= edges[:-1] + _SLACK_S) & (ends >= edges[1:] - _SLACK_S)
    return names, inside
