"""The feature stage: waves, log-mel, F0 and statistics of a set, in one parallel pass over its audio files."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ctaplib.audio.features import f0_track, log_mel
from ctaplib.audio.files import NotFiniteError, is_stored, read_audio, write_audio
from ctaplib.audio.settings import FeatureConfig
from ctaplib.audio.source import is_command
from ctaplib.audio.store import ArkWriter
from ctaplib.cluster.jobs import map_jobs
from ctaplib.config import config_hash, save_config
from ctaplib.config_file import read_saved
from ctaplib.corpus.build import check_share
from ctaplib.corpus.datadir import Span, read_spans
from ctaplib.errors import AudioError, DataError
from ctaplib.files import atomic_write, make_folder, write_table, write_tsv
from ctaplib.runs.log import get_logger, progress

log = get_logger(__name__)


def extract(config: FeatureConfig, folder: Path, utterance: tuple[str, Span]) -> tuple[str, np.ndarray, np.ndarray] | str:
    """Compute the features of one utterance, or return the reason why its audio cannot be used.

    Waves that are not stored in 16 bits at the feature rate yet are written to `folder`.

    Returns:
        Path of the wave, log-mel (T, n_mels), and F0 (T,), 0 where unvoiced; both float32.

    Raises:
        DataError: a wave or a feature is not finite.
    """
    utt, span = utterance
    try:
        wave, _ = read_audio(span.path, config.rate_hz, start_s=span.start_s, end_s=span.end_s, as_16_bits=True)
        if not wave.any():
            raise AudioError(f"{span.path} is silent: every sample is zero", fix="replace the file or leave it out")
        mel, f0_hz = log_mel(wave, config), f0_track(wave, config)
    except NotFiniteError as error:
        raise DataError(f"{utt}: {error.found}") from None
    except AudioError as error:
        return str(error)
    if not (np.isfinite(mel).all() and np.isfinite(f0_hz).all()):
        raise DataError(f"{utt}: a feature of {span.path} is not a finite number", fix="check the audio file")
    path = Path(span.path)
    if span.end_s is not None or not is_stored(path, config.rate_hz):
        path = folder / f"{utt}.wav"
        write_audio(path, (wave * 32768).astype(np.int16), config.rate_hz, sync=False)
    return str(path.absolute()), mel, f0_hz


def inputs_hash(table: dict[str, str], config: FeatureConfig) -> str:
    """Hash the config, the list, and size and time of every audio file, also of files named in commands; twelve digits."""
    digest = hashlib.sha256(config_hash(config).encode())
    for utt, path in sorted(table.items()):
        files = [word for word in path.split() if Path(word).is_file()] if is_command(path) else [path]
        digest.update(f"{utt} {path} {' '.join(map(_state, files))}\n".encode())
    return digest.hexdigest()[:12]


def _state(path: str) -> str:
    try:
        stat = Path(path).stat()
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def extract_set(
    data: Path,
    dump: Path,
    config: FeatureConfig,
    *,
    jobs: int = 1,
    max_dropped_pct: float = 5.0,
    skip_unchanged: bool = False,
) -> bool:
    """Write `feats`, `f0`, `wav.scp`, `utt2num_frames`, `dropped_features.tsv` and the header of one set, by `jobs` processes.

    With `skip_unchanged`, nothing is done if the header has the hash of the same inputs. Returns whether anything was written.

    Raises:
        DataError: more than `max_dropped_pct` of the utterances failed, or a feature is not finite.
    """
    spans = read_spans(data)
    if not spans:
        raise DataError(f"{data}/wav.scp is empty", expected="at least one utterance", fix="run stage 1 (data)")
    stamp = inputs_hash({f"{u} {s.start_s} {s.end_s}" if s.end_s else u: s.path for u, s in spans.items()}, config)
    header = dump / "features.yaml"
    if skip_unchanged and header.exists() and read_saved(header).get("inputs_hash") == stamp:
        log.info("%s: features are up to date", dump)
        return False
    make_folder(dump / "wav")
    work, what = partial(extract, config, dump / "wav"), f"features {data.name}"
    chunk = max(1, min(16, len(spans) // (4 * jobs)))
    results = map_jobs(work, sorted(spans.items()), jobs, what=what, context="fork", chunk=chunk, at_least=4)
    waves: dict[str, str] = {}
    frames: dict[str, str] = {}
    dropped: dict[str, str] = {}
    total, squares, count = np.zeros(config.n_mels), np.zeros(config.n_mels), 0
    with ArkWriter(dump / "feats.scp") as feats, ArkWriter(dump / "f0.scp") as f0s:
        for item, utt in zip(progress(results, total=len(spans), what=what), sorted(spans)):
            if isinstance(item, str):
                dropped[utt] = item
                continue
            waves[utt], mel, f0s[utt] = item
            feats[utt], frames[utt] = mel, str(len(mel))
            total += mel.sum(0, dtype=np.float64)
            squares += np.square(mel, dtype=np.float64).sum(0)
            count += len(mel)
        check_share(str(data), dropped, len(waves), max_dropped_pct, "repair the files, or raise --max_dropped_pct")
        header.unlink(missing_ok=True)  # from here on the old archives are replaced
    write_table(dump / "wav.scp", waves)
    write_table(dump / "utt2num_frames", frames)
    write_tsv(dump / "dropped_features.tsv", [{"utt": u, "reason": r} for u, r in dropped.items()], ("utt", "reason"))
    _write_stats(dump / "stats.npz", total / count, squares / count)
    save_config(config, header, inputs_hash=stamp)
    if dropped:
        log.warning("%s: %d of %d utterances dropped, see dropped_features.tsv", dump, len(dropped), len(spans))
    return True


def extract_sets(data: Path, dump: Path, sets: Sequence[str], train_set: str, config: FeatureConfig, **options: Any) -> None:
    """Run `extract_set` on every set, then write `dump/stats.npz` (mean, std per band) from the training set.

    Raises:
        DataError: a set's audio cannot be used, or the training set has no features.
    """
    for name in sets:
        extract_set(data / name, dump / name, config, **options)
    stats = dump / train_set / "stats.npz"
    if not stats.exists():
        raise DataError(f"{stats} is missing", fix=f"add {train_set} to --sets")
    with atomic_write(dump / "stats.npz", "wb") as out:
        out.write(stats.read_bytes())


def _write_stats(path: Path, mean: np.ndarray, square: np.ndarray) -> None:
    std = np.sqrt(np.maximum(square - mean**2, 1e-8))
    with atomic_write(path, "wb") as out:
        np.savez(out, mean=mean.astype(np.float32), std=std.astype(np.float32))
