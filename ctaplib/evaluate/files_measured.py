"""Kinds of measurement on audio files: F0 tracks, speaker embeddings, and pairs of files."""

from pathlib import Path

import numpy as np

from ctaplib.audio.files import read_audio
from ctaplib.errors import DataError, shortened
from ctaplib.evaluate import speaker
from ctaplib.evaluate.measure import Job, Kind, Measured
from ctaplib.evaluate.speech_metrics import (
    ResynthesisPair,
    SynthesisPair,
    compare_resynthesis,
    compare_synthesis,
    f0_track,
)

Pair = tuple[Path, Path]


def f0_tracks(paths: list[Path]) -> list[np.ndarray]:
    """F0 of every file, Hz every 10 ms, 0 where unvoiced."""
    return [f0_track(*read_audio(path, dtype=np.float64)) for path in paths]


def synthesis_pairs(pairs: list[Pair]) -> list[SynthesisPair]:
    """Compare synthesised files with natural ones of the same sentence."""
    return [compare_synthesis(*_both(pair)) for pair in pairs]


def resynthesis_pairs(pairs: list[Pair]) -> list[ResynthesisPair]:
    """Compare resynthesised files with their originals."""
    return [compare_resynthesis(*_both(pair)) for pair in pairs]


def _both(pair: Pair) -> tuple[np.ndarray, np.ndarray, int]:
    natural, rate_hz = read_audio(pair[1], dtype=np.float64)
    return read_audio(pair[0], rate_hz, dtype=np.float64)[0], natural, rate_hz


F0 = Kind("F0", f0_tracks, chunk=24)
EMBEDDING = Kind("speaker embedding", speaker.embed_files, chunk=96, first=2)
SYNTHESIS = Kind("synthesis", synthesis_pairs, chunk=12, first=1)
RESYNTHESIS = Kind("resynthesis", resynthesis_pairs, chunk=20, first=1)


def embedding(measured: Measured, *paths: Path) -> np.ndarray | None:
    """Embedding of a file, or the mean embedding of several."""
    return speaker.mean_embedding([measured[Job(EMBEDDING, path)] for path in paths])


def with_cache(jobs: list[Job], cache: Path) -> tuple[list[Job], dict[Job, np.ndarray | None], dict[Path, str]]:
    """Split off the embeddings that an earlier scoring of the same bytes made.

    Returns:
        The jobs left to do, the answers known, and the content of every file to be embedded.

    Raises:
        DataError: files to be embedded are missing; lists them.
    """
    items = dict.fromkeys(job.item for job in jobs if job.kind is EMBEDDING)
    paths = [item for item in items if isinstance(item, Path)]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"{len(missing)} audio files are missing", shortened(missing), fix="run the stage that makes them")
    known = speaker.read_cache(cache)
    contents = {path: speaker.content_key(path) for path in paths}
    answers = {Job(EMBEDDING, path): known[key] for path, key in contents.items() if key in known}
    return [job for job in jobs if job not in answers], answers, contents


def keep_cache(cache: Path, contents: dict[Path, str], measured: Measured) -> None:
    """Write the embeddings of this scoring's files, and of no others."""
    speaker.write_cache(cache, {key: measured[Job(EMBEDDING, path)] for path, key in contents.items()})
