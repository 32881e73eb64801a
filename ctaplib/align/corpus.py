"""Utterances to align: audio, phones, and the modelling unit of each phone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctaplib.audio.features import log_mel
from ctaplib.audio.files import read_audio
from ctaplib.audio.settings import FeatureConfig
from ctaplib.errors import DataError, shortened
from ctaplib.files import read_table
from ctaplib.phones import SILENCE, fold

_TONED = re.compile(r"^([a-zA-Z:]*[a-z])[1-5]$")


@dataclass(frozen=True)
class Utterance:
    """One utterance before alignment."""

    utt: str
    wav: str
    """Its audio file; empty where there are no features."""
    phones: tuple[str, ...]
    """As in `text.phn`."""
    words: tuple[int, ...] = ()
    """Index of each phone's word; empty where unknown."""


def read_utterances(data: Path, dump: Path) -> list[Utterance]:
    """Read every utterance of a set that has text; those without features have no `wav`.

    Raises:
        DataError: `text.phn` is missing or empty, or `phn2word` does not fit it (all faults at once).
    """
    phones = {utt: tuple(text.split()) for utt, text in read_table(data / "text.phn").items()}
    if not phones:
        raise DataError(f"{data}/text.phn is empty", expected="a line per utterance", fix="run stage 2 (text)")
    waves = read_table(dump / "wav.scp")
    words = {}
    if (data / "phn2word").exists():
        words = {utt: tuple(map(int, text.split())) for utt, text in read_table(data / "phn2word").items()}
    faults = [
        f"{utt}: {len(phones[utt])} phones, {len(index)} word indices"
        for utt, index in words.items()
        if utt in phones and len(index) != len(phones[utt])
    ]
    if faults:
        raise DataError(f"{data}/phn2word does not fit text.phn", shortened(faults), fix="run stage 2 (text)")
    return [Utterance(utt, waves.get(utt, ""), phones[utt], words.get(utt, ())) for utt in sorted(phones)]


def unit_of(phone: str, drop_tone: bool) -> str:
    """Return the unit of sound of a phone: without stress, and with `drop_tone` without tone."""
    unit = fold(phone)
    toned = _TONED.match(unit) if drop_tone else None
    return toned.group(1) if toned else unit


def find_units(utterances: Iterable[Utterance], drop_tone: bool) -> tuple[str, ...]:
    """List the units of all phones, silence first."""
    units = {unit_of(phone, drop_tone) for utterance in utterances for phone in utterance.phones}
    return (SILENCE, *sorted(units - {SILENCE}))


def evenly(seconds: Sequence[float], minutes: float) -> list[int]:
    """Return indices spread evenly over a list of lengths that together last at most `minutes`."""
    total = sum(seconds)
    if total <= 60 * minutes:
        return list(range(len(seconds)))
    chosen, share, quota = [], 60 * minutes / total, 0.0
    for index in range(len(seconds)):
        quota += share
        if quota >= 1:
            chosen.append(index)
            quota -= 1
    return chosen


def compute_mel(wav: str, front_end: FeatureConfig) -> tuple[np.ndarray, float]:
    """Compute the log-mel of a file, (T, n_mels) float32, and its length in seconds.

    Raises:
        AudioError: the file cannot be used.
        DataError: a feature is not a finite number.
    """
    wave, _ = read_audio(wav, front_end.rate_hz)
    mel = log_mel(wave, front_end)
    if not np.isfinite(mel).all():
        raise DataError(f"{wav}: a feature is not a finite number", fix="make the file again")
    return mel, len(wave) / front_end.rate_hz
