"""Aligned phones as ids: tokens and durations for encoders, labels for the class of a content frame and for CTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctaplib.audio.settings import FeatureConfig
from ctaplib.corpus.alignment import frame_phones, read_ctm, to_durations
from ctaplib.errors import DataError
from ctaplib.phones import SILENCE, fold
from ctaplib.text.tokens import TokenList

SILENCE_LABEL = 1
"""Label of silence."""


@dataclass(frozen=True)
class Rates:
    """How frames of an utterance are counted.

    Attributes:
        features: The front end.
        hop: Feature frames in one content frame; lengths are floored to a multiple of it.
        ctc_factor: CTC frames in one content frame; 0 where nothing is trained with CTC.
    """

    features: FeatureConfig
    hop: int
    ctc_factor: int = 0

    def floor(self, frames: int) -> int:
        """Return the feature frames that fill whole content frames."""
        return frames // self.hop * self.hop


@dataclass(frozen=True)
class Labelled:
    """The phones of an utterance, as ids.

    Attributes:
        phones: (N,) token ids, silences included.
        durations: (N,) feature frames; they sum to the utterance's frames.
        frame_labels: (T / hop,) label of the phone that fills most of each content frame.
        labels: (L,) labels without silence, for CTC.
    """

    phones: np.ndarray
    durations: np.ndarray
    frame_labels: np.ndarray
    labels: np.ndarray


class LabelSet:
    """The labels of the recogniser: blank, silence, then the recipe's phones without stress, sorted."""

    def __init__(self, tokens: TokenList) -> None:
        phones = [t for t in tokens.tokens if not t.startswith("<") and t != SILENCE]
        self.names = ("<blank>", SILENCE, *sorted({fold(p) for p in phones}))
        self._ids = {name: i for i, name in enumerate(self.names)}
        self.of_token = np.array([self._ids.get(fold(t), 0) for t in tokens.tokens])

    def __len__(self) -> int:
        return len(self.names)

    def ids(self, phones: Sequence[str]) -> np.ndarray:
        """Return the labels of phones, stress dropped."""
        return np.array([self._ids[fold(p)] for p in phones], dtype=np.int64)


def read_labelled(
    folder: Path, lengths: Mapping[str, int], tokens: TokenList, rates: Rates, left_out: dict[str, str]
) -> dict[str, Labelled]:
    """Read the phones and durations of a set from its `phones.ctm`; fills `left_out` with reasons.

    Raises:
        DataError: the file is missing or malformed.
    """
    path = folder / "phones.ctm"
    if not path.exists():
        raise DataError(f"{path} is missing", expected="aligned phones", fix="run stage 4 (align)")
    labels, found = LabelSet(tokens), {}
    aligned = read_ctm(path)
    for utt, frames in lengths.items():
        if utt not in aligned:
            left_out[utt] = "not aligned, see ali_report.tsv"
            continue
        names, durations = to_durations(aligned[utt], rates.floor(frames), rates.features.hop_s)
        if unknown := sorted({n for n in names if n not in tokens}):
            left_out[utt] = f"phones that are not in the token list: {' '.join(unknown)}"
            continue
        ids = np.array([tokens.id(n) for n in names], dtype=np.int64)
        durations = np.asarray(durations, dtype=np.int64)
        frame_labels = labels.of_token[ids[frame_phones(durations, rates.hop)]]
        spoken = labels.ids([n for n in names if n != SILENCE])
        if rates.ctc_factor and (reason := _too_short_for_ctc(spoken, frames // rates.hop, rates)):
            left_out[utt] = reason
            continue
        found[utt] = Labelled(ids, durations, frame_labels.astype(np.int64), spoken)
    return found


def _too_short_for_ctc(labels: np.ndarray, content_frames: int, rates: Rates) -> str:
    needed = len(labels) + int((labels[1:] == labels[:-1]).sum())  # a blank parts equal neighbours
    has = content_frames * rates.ctc_factor
    frame_ms = round(1000 * rates.hop * rates.features.hop_s / rates.ctc_factor, 1)
    return f"its phones need {needed} frames of {frame_ms:g} ms for CTC, it has {has}" if needed > has else ""
