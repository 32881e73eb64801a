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


def measure_f0(path: Path) -> np.ndarray:
    """Track the F0 of a file, Hz every 10 ms, 0 where unvoiced."""
    return f0_track(*read_audio(path, dtype=np.float64))


def measure_synthesis(pair: Pair) -> SynthesisPair:
    """Compare a synthesised file with a natural one of the same sentence."""
    return compare_synthesis(*_read_both(pair))


def measure_resynthesis(pair: Pair) -> ResynthesisPair:
    """Compare a resynthesised file with its original."""
    return compare_resynthesis(*_read_both(pair))


def _read_both(pair: Pair) -> tuple[np.ndarray, np.ndarray, int]:
    natural, rate_hz = read_audio(pair[1], dtype=np.float64)
    return read_audio(pair[0], rate_hz, dtype=np.float64)[0], natural, rate_hz


F0 = Kind("F0", measure_f0, chunk=24)
EMBEDDING = Kind("speaker embedding", speaker.embed_files, chunk=96, priority=2, batched=True)
SYNTHESIS = Kind("synthesis", measure_synthesis, chunk=12, priority=1)
RESYNTHESIS = Kind("resynthesis", measure_resynthesis, chunk=20, priority=1)


def embedding(measured: Measured, *paths: Path) -> np.ndarray | None:
    """Return the embedding of a file, or the mean embedding of several."""
    return speaker.mean_embedding([measured[Job(EMBEDDING, path)] for path in paths])


def with_cache(jobs: list[Job], cache: Path) -> tuple[list[Job], dict[Job, np.ndarray | None], dict[Path, str]]:
    """Take the embeddings that an earlier scoring made of the same bytes.

    Returns:
        The jobs left to do, the known embeddings, and the digest of every file to be embedded.

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
