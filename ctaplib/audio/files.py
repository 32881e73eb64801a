"""Read, check, resample and write audio files; each kind of bad file has a message of its own.

Any format of libsndfile can be read (WAV, FLAC, Ogg, Opus, MP3), from a file or from a command (`sox a.flac -t wav - |`).
Samples are float32 in [-1, 1], one channel.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ctaplib.audio.source import is_command, open_audio
from ctaplib.errors import AudioError
from ctaplib.files import atomic_write

SILENT_PEAK = 1e-4
"""Peak at or below which a file counts as silent (-80 dBFS)."""
CLIPPED_SHARE = 0.01
"""Share of samples in runs at full scale from which a file counts as clipped."""
_FULL_SCALE = 0.9995
_CLIP_RUN = 4


@dataclass(frozen=True)
class AudioFault:
    """One thing that is wrong with an audio file."""

    kind: str
    """missing, empty, command, unreadable, truncated, zero_length, stereo, low_resolution, wrong_rate, not_finite, silent,
    clipped."""
    message: str
    """What was found, what was expected, what to do."""
    fatal: bool = True
    """False where the audio can still be used (clipped, another rate, 8 bits)."""


@dataclass(frozen=True)
class AudioInfo:
    """What is known of an audio file after looking at all of it."""

    path: str
    rate_hz: int = 0
    duration_s: float = 0.0
    faults: tuple[AudioFault, ...] = ()


def _fault(kind: str, found: str, expected: str, fix: str, fatal: bool = True) -> AudioFault:
    return AudioFault(kind, f"{found}; expected {expected}; to fix it: {fix}", fatal)


def _missing_or_empty(source: str | Path) -> AudioFault | None:
    if is_command(source):
        return None
    path = Path(source)
    if not path.exists() and Path(re.sub(r":\d+$", "", str(path))).is_file():
        return _fault(
            "missing", "it is a place in an archive", "an audio file or a command", "take the directory before the dump"
        )
    if not path.exists():
        return _fault("missing", "the file is missing", "an audio file", "correct the path or restore the file")
    if not path.is_file():
        return _fault("missing", "it is not a file", "an audio file", "correct the path")
    if path.stat().st_size == 0:
        return _fault("empty", "the file is empty (0 bytes)", "audio", "fetch or make it again, or leave it out")
    return None


def _is_cut_short(source: str | Path) -> bool:
    """Whether a plain WAV or AIFF file has fewer bytes than its header says (a command cannot know its length beforehand)."""
    return not is_command(source) and (_declared_bytes(Path(source)) or 0) > Path(source).stat().st_size


def _declared_bytes(path: Path) -> int | None:
    """Bytes of a file that a plain WAV or AIFF header promises, or None where it is neither or promises nothing useful."""
    with open(path, "rb") as handle:
        head = handle.read(12)
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return int.from_bytes(head[4:8], "big") + 8
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while chunk := handle.read(8):
            if len(chunk) < 8:
                return None
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return None if size >= 0xFFFFFFF0 else size + handle.tell()
            handle.seek(size + size % 2, os.SEEK_CUR)
    return None


def inspect(path: str | Path, rate_hz: int | None = None) -> AudioInfo:
    """Look at a whole audio file and report all its faults.

    Args:
        path: the file, or a command that ends in `|`.
        rate_hz: the sampling rate that the corpus should have; None to accept any.
    """
    fault = _missing_or_empty(path)
    if fault:
        return AudioInfo(str(path), faults=(fault,))
    try:
        with open_audio(path) as handle:
            subtype, rate, channels, frames = handle.subtype, handle.samplerate, handle.channels, handle.frames
            samples = handle.read(dtype="float32", always_2d=True)
    except AudioError as error:
        return AudioInfo(str(path), faults=(_fault("command", error.found, error.expected, error.fix),))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        fault = _fault(
            "unreadable", f"it cannot be read as audio ({error})", "WAV, FLAC, Ogg, Opus or MP3", "convert or replace it"
        )
        return AudioInfo(str(path), faults=(fault,))
    faults = _form_faults(path, subtype, rate, channels, rate_hz)
    if len(samples) < frames or _is_cut_short(path):
        lacking = f"it holds {len(samples)} samples, fewer than its header says"
        faults.append(_fault("truncated", lacking, "a complete file", "fetch or make it again, or leave it out"))
    faults += _sample_faults(samples)
    return AudioInfo(str(path), rate, len(samples) / rate, tuple(faults))


def _form_faults(path: str | Path, subtype: str, rate: int, channels: int, rate_hz: int | None) -> list[AudioFault]:
    faults = []
    if channels != 1:
        faults.append(_fault("stereo", f"it has {channels} channels", "one", f"keep one: sox {Path(path).name} out.wav remix 1"))
    if subtype in {"PCM_U8", "PCM_S8", "ULAW", "ALAW", "DPCM_8"}:
        found = f"its samples have 8 bits ({subtype})"
        faults.append(_fault("low_resolution", found, "16 bits or more", "use the original recording", fatal=False))
    if rate_hz is not None and rate != rate_hz:
        found = f"its sampling rate is {rate} Hz"
        faults.append(_fault("wrong_rate", found, f"{rate_hz} Hz", "resample it, or say the right rate", fatal=False))
    return faults


def _sample_faults(samples: np.ndarray) -> list[AudioFault]:
    """Faults of the samples (frames, channels) themselves."""
    if samples.size == 0:
        return [_fault("zero_length", "it has a header but no samples", "some speech", "make it again, or leave it out")]
    highest, lowest = float(samples.max()), float(samples.min())  # both NaN where one sample is
    peak = max(highest, -lowest)
    if not np.isfinite(highest - lowest):
        found = f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite"
        return [_fault("not_finite", found, "numbers", "make the file again from its source")]
    if peak <= SILENT_PEAK:
        return [_fault("silent", f"it is silent (peak {peak:.1e})", "speech", "record it again, or leave it out")]
    if peak < _FULL_SCALE:
        return []
    full = (np.abs(samples) >= _FULL_SCALE).any(1).astype(np.int8)
    edges = np.flatnonzero(np.diff(full, prepend=0, append=0))
    runs = edges[1::2] - edges[::2]
    share = float(runs[runs >= _CLIP_RUN].sum() / len(full))
    if share >= CLIPPED_SHARE:
        found = f"it is clipped ({100 * share:.1f} % of samples stay at full scale)"
        return [_fault("clipped", found, f"less than {100 * CLIPPED_SHARE:.0f} %", "record it at a lower level", fatal=False)]
    return []


def read_audio(
    path: str | Path, rate_hz: int | None = None, *, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, int]:
    """Read one channel, whole or a segment, resampled where needed.

    Args:
        path: the file, or a command that ends in `|`.
        rate_hz: wanted sampling rate; None for the file's own.
        start_s: where the segment starts, seconds.
        end_s: where it ends; None for the end of the file.

    Returns:
        float32 samples (samples,) and their rate in Hz.

    Raises:
        AudioError: the command failed, the file is missing, empty, truncated, not audio, has no samples, several channels or
            numbers that are not finite, or the segment lies outside. A silent or clipped file is read: `inspect` tells.
    """
    fault = _missing_or_empty(path)
    if fault:
        raise AudioError(f"{path}: {fault.message}")
    try:
        with open_audio(path) as handle:
            rate, frames = handle.samplerate, handle.frames
            first, last = round(start_s * rate), frames if end_s is None else round(end_s * rate)
            if not 0 <= first <= last <= frames + rate // 100:
                found = f"{path}: the segment from {start_s} s to {end_s} s lies outside its {frames / rate:.3f} s"
                raise AudioError(found, fix="correct segments")
            handle.seek(first)
            samples = handle.read(min(last, frames) - first, dtype="float32", always_2d=True)
            truncated = len(samples) < min(last, frames) - first
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path} cannot be read as audio ({error})", fix="convert or replace it") from error
    if truncated or _is_cut_short(path):
        raise AudioError(f"{path} is truncated", expected="as many samples as its header says", fix="fetch or make it again")
    faults = [f for f in _form_faults(path, "", rate, samples.shape[1], None) if f.fatal]
    faults += [f for f in _sample_faults(samples) if f.kind in {"zero_length", "not_finite"}]
    if faults:
        raise AudioError(f"{path}: {faults[0].message}")
    mono = samples[:, 0]
    return (mono, rate) if rate_hz in (None, rate) else (resample(mono, rate, rate_hz), rate_hz)


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Change the sampling rate of (samples,) float32 with soxr, high quality."""
    return soxr.resample(samples, from_hz, to_hz, quality="HQ").astype(np.float32)


def write_audio(path: str | Path, samples: np.ndarray, rate_hz: int) -> None:
    """Write (samples,) as 16-bit WAV, whole or not at all.

    Raises:
        AudioError: the samples are not finite numbers in one channel.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(f"{path}: samples of shape {samples.shape} are not one channel of finite numbers")
    if samples.dtype != np.int16:
        samples = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    with atomic_write(path, "wb") as out:
        soundfile.write(out, samples, rate_hz, format="WAV", subtype="PCM_16")
