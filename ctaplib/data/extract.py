"""The feature stage: waves, log-mel, F0 and statistics of a set, in one parallel pass over its audio files."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from ctaplib.corpus.datadir import Span, read_spans
from ctaplib.errors import AudioError, DataError, shortened
from ctaplib.files import atomic_write, make_folder, write_table, write_tsv
from ctaplib.runs.log import get_logger, progress

log = get_logger(__name__)


@dataclass(frozen=True)
class Source:
    """An utterance to read: its id, its file, the path of the resampled wave, the front end."""

    utt: str
    path: str
    wav_path: str
    config: FeatureConfig
    span: Span | None = None
    """The segment of the file, if it is not the whole."""


@dataclass(frozen=True)
class Extracted:
    """Features of one utterance, or the reason why there are none.

    Attributes:
        wav: Path of the 16-bit wave at the feature rate.
        mel: (T, n_mels) float32.
        f0_hz: (T,) float32, 0 where unvoiced.
        reason: Empty when all went well.
    """

    utt: str
    wav: str = ""
    mel: np.ndarray | None = None
    f0_hz: np.ndarray | None = None
    reason: str = ""


def extract(source: Source) -> Extracted:
    """Compute the features of one utterance, or the reason why its audio cannot be used.

    Raises:
        DataError: a wave or a feature is not finite.
    """
    span = source.span or Span(source.path)
    try:
        wave, _ = read_audio(
            source.path, source.config.rate_hz, start_s=span.start_s, end_s=span.end_s, as_16_bits=True
        )  # fmt: skip
        if not wave.any():
            raise AudioError(f"{source.path} is silent: every sample is zero", fix="replace the file or leave it out")
        mel, f0_hz = log_mel(wave, source.config), f0_track(wave, source.config)
    except NotFiniteError as error:
        raise DataError(f"{source.utt}: {error.found}") from None
    except AudioError as error:
        return Extracted(source.utt, reason=str(error))
    if not (np.isfinite(mel).all() and np.isfinite(f0_hz).all()):
        raise DataError(f"{source.utt}: a feature of {source.path} is not a finite number", fix="check the audio file")
    path = Path(source.path)
    if span.end_s is not None or not is_stored(path, source.config.rate_hz):
        path = Path(source.wav_path)
        write_audio(path, (wave * 32768).astype(np.int16), source.config.rate_hz, sync=False)
    return Extracted(source.utt, str(path.absolute()), mel, f0_hz)


def inputs_hash(table: dict[str, str], config: FeatureConfig) -> str:
    """Compute twelve digits that change with the config, the list, and the size or time of a file."""
    digest = hashlib.sha256(config_hash(config).encode())
    for utt, path in sorted(table.items()):
        files = [path]
        if is_command(path):  # the files that the command names
            files = [word for word in path.split() if Path(word).is_file()]
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
    """Write `feats`, `f0`, `wav.scp`, `utt2num_frames`, `dropped_features.tsv` and the header of one set.

    Args:
        data: `data/<set>` with a `wav.scp`.
        dump: `dump/<set>` to write.
        config: The front end.
        jobs: Processes; the result does not depend on it.
        max_dropped_pct: Largest share of utterances without features.
        skip_unchanged: Do nothing if the header has the hash of the same inputs.

    Returns:
        Whether anything was written.

    Raises:
        DataError: too many utterances failed, or a feature is not finite.
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
    sources = [Source(u, s.path, str(dump / "wav" / f"{u}.wav"), config, s) for u, s in sorted(spans.items())]
    waves: dict[str, str] = {}
    frames: dict[str, str] = {}
    dropped: list[dict[str, str]] = []
    total, squares, count = np.zeros(config.n_mels), np.zeros(config.n_mels), 0
    with ArkWriter(dump / "feats.scp") as feats, ArkWriter(dump / "f0.scp") as f0s:
        for item in _extract_all(sources, jobs, f"features {data.name}"):
            if item.mel is None or item.f0_hz is None:
                dropped.append({"utt": item.utt, "reason": item.reason})
                continue
            feats[item.utt], f0s[item.utt] = item.mel, item.f0_hz
            waves[item.utt], frames[item.utt] = item.wav, str(len(item.mel))
            total += item.mel.sum(0, dtype=np.float64)
            squares += np.square(item.mel, dtype=np.float64).sum(0)
            count += len(item.mel)
        _check_dropped(data, dropped, len(sources), max_dropped_pct)
        header.unlink(missing_ok=True)  # from here on the old archives are replaced
    write_table(dump / "wav.scp", waves)
    write_table(dump / "utt2num_frames", frames)
    write_tsv(dump / "dropped_features.tsv", dropped, ("utt", "reason"))
    _write_stats(dump / "stats.npz", total, squares, count)
    save_config(config, header, inputs_hash=stamp)
    if dropped:
        log.warning("%s: %d of %d utterances dropped, see dropped_features.tsv", dump, len(dropped), len(sources))
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


def _extract_all(sources: Sequence[Source], jobs: int, what: str) -> Iterator[Extracted]:
    chunk = max(1, min(16, len(sources) // (4 * jobs)))
    found = map_jobs(extract, sources, jobs, what=what, context="fork", chunk=chunk, at_least=4)
    yield from progress(found, total=len(sources), what=what)


def _check_dropped(data: Path, dropped: Sequence[dict[str, str]], total: int, max_dropped_pct: float) -> None:
    share_pct = 100 * len(dropped) / total
    if share_pct > max_dropped_pct:
        raise DataError(
            f"{data}: {len(dropped)} of {total} utterances ({share_pct:.1f} %) have unusable audio",
            shortened([f"{row['utt']}: {row['reason']}" for row in dropped]),
            expected=f"at most {max_dropped_pct:g} %",
            fix="repair the files, or raise --max_dropped_pct",
        )


def _write_stats(path: Path, total: np.ndarray, squares: np.ndarray, count: int) -> None:
    mean = total / max(count, 1)
    std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 1e-8))
    with atomic_write(path, "wb") as out:
        np.savez(out, mean=mean.astype(np.float32), std=std.astype(np.float32))
