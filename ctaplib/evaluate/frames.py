"""Phones of an utterance as labels of its 25 Hz frames, and which frames lie inside one phone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctaplib.corpus.alignment import Interval, frame_phones, to_durations
from ctaplib.corpus.alignment import count_lost as count_lost_in
from ctaplib.phones import SILENCE

HOP_S = 0.010
FACTOR = 4
FRAME_S = HOP_S * FACTOR
_SLACK_S = 2e-4


@dataclass(frozen=True)
class FrameLabels:
    """Labels of the frames of one utterance.

    Attributes:
        names: The phone that fills most of each frame, (frames,).
        inside: Whether all 40 ms of the frame lie inside that phone, (frames,).
    """

    names: np.ndarray
    inside: np.ndarray


def label_frames(phones: Sequence[Interval], n_frames: int) -> FrameLabels:
    """Label 25 Hz frames; a frame behind the last phone is silence and not inside."""
    names = np.full(n_frames, SILENCE, object)
    inside = np.zeros(n_frames, bool)
    if not phones or not n_frames:
        return FrameLabels(names, inside)
    labels, durations = to_durations(phones, max(1, round(phones[-1].end_s / HOP_S)), HOP_S)
    owners = frame_phones(durations, FACTOR)[:n_frames]
    names[: len(owners)] = np.array(labels, object)[owners]
    starts = np.array([phone.start_s for phone in phones])[owners]
    ends = np.array([phone.end_s for phone in phones])[owners]
    edges = np.arange(len(owners) + 1) * FRAME_S
    inside[: len(owners)] = (starts <= edges[:-1] + _SLACK_S) & (ends >= edges[1:] - _SLACK_S)
    return FrameLabels(names, inside)


def count_lost(phones: Sequence[Interval]) -> tuple[int, int]:
    """Phones (silence apart) that fill most of no 40 ms frame, and all phones."""
    return count_lost_in(phones, HOP_S, FACTOR)
