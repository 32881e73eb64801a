"""Kinds of measurement on audio files: F0 tracks, speaker embeddings, and pairs of files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ctaplib.audio.files import read_audio
from ctaplib.evaluate import speaker
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.speech_metrics import compare_resynthesis, compare_synthesis, f0_track


def measure_f0(path: Path) -> np.ndarray:
    """Track the F0 of a file, Hz every 10 ms, 0 where unvoiced."""
    return f0_track(*read_audio(path, dtype=np.float64))


def measure_pair(compare: Callable, pair: tuple[Path, Path]) -> dict[str, float | None]:
    """Compare a file with a natural one, at the rate of the natural one."""
    natural, rate_hz = read_audio(pair[1], dtype=np.float64)
    return compare(read_audio(pair[0], rate_hz, dtype=np.float64)[0], natural, rate_hz)


F0 = Kind(measure_f0, chunk=24)
EMBEDDING = Kind(speaker.embed_files, chunk=96, priority=2, batched=True)
SYNTHESIS = Kind(partial(measure_pair, compare_synthesis), chunk=12, priority=1)
RESYNTHESIS = Kind(partial(measure_pair, compare_resynthesis), chunk=20, priority=1)


def embedding(measured: Measured, *paths: Path) -> np.ndarray | None:
    """Return the embedding of a file, or the mean embedding of several."""
    return speaker.mean_embedding([measured[Job(EMBEDDING, path)] for path in paths])
