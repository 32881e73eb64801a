"""Read, check, resample and write audio: the only module that opens audio files.

Every format of libsndfile can be read (WAV, FLAC, Ogg, Opus, MP3), from a file or from a command (`sox a.flac -t wav - |`).
Samples are floats in [-1, 1], one channel. Each kind of bad file has a message of its own.
"""

import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ctaplib.audio.source import command_output, is_command
from ctaplib.errors import AudioError
from ctaplib.files import atomic_write

SILENT_PEAK = 1e-4
"""Peak at or below which a file counts as silent (-80 dBFS)."""
CLIPPED_SHARE = 0.01
"""Share of samples in runs at full scale from which a file counts as clipped."""
OVERSHOOT_S = 0.02
"""Seconds by which a segment may extend past the end of its file."""
_MARGIN_S = 0.05
"""Read on each side of a segment that is resampled, so that its edges do not ring."""
_FULL_SCALE = 0.9995
_CLIP_RUN = 4


@dataclass(frozen=True)
class AudioFault:
    """A fault of an audio file."""

    kind: str
    """missing, empty, command, unreadable, truncated, zero_length, stereo, low_resolution, wrong_rate, not_finite, silent,
    clipped."""
    message: str
    """What was found, what was expected, what to do."""
    fatal: bool = True
    """False where the audio can be used (clipped, another rate, 8 bits)."""


@dataclass(frozen=True)
class AudioInfo:
    """Content of an audio file that was read to its end."""

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
        return _fault("empty", "the file is empty (0 bytes)", "audio", "fetch or make it again, or skip it")
    return None


def _is_cut_short(source: str | Path) -> bool:
    """Return whether a WAV or AIFF file has fewer bytes than its header says (commands do not know their length beforehand)."""
    return not is_command(source) and (_declared_bytes(Path(source)) or 0) > Path(source).stat().st_size


def _declared_bytes(path: Path) -> int | None:
    """Return the bytes of a file by its WAV or AIFF header; None where it is neither or the header does not say."""
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
    """Read a whole audio file and report all its faults.

    Args:
        path: The file, or a command that ends in `|`.
        rate_hz: Sampling rate that it should have; None for any.
    """
    fault = _missing_or_empty(path)
    if fault:
        return AudioInfo(str(path), faults=(fault,))
    try:
        with _open(path) as handle:
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
        faults.append(_fault("truncated", lacking, "a complete file", "fetch or make it again, or skip it"))
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
        faults.append(_fault("wrong_rate", found, f"{rate_hz} Hz", "resample it, or name the right rate", fatal=False))
    return faults


def _sample_faults(samples: np.ndarray) -> list[AudioFault]:
    """Find the faults of the samples (frames, channels) themselves."""
    if samples.size == 0:
        return [_fault("zero_length", "it has a header but no samples", "some speech", "make it again, or skip it")]
    highest, lowest = float(samples.max()), float(samples.min())  # both NaN where one sample is
    peak = max(highest, -lowest)
    if not np.isfinite(highest - lowest):
        found = f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite"
        return [_fault("not_finite", found, "numbers", "make the file again from its source")]
    if peak <= SILENT_PEAK:
        return [_fault("silent", f"it is silent (peak {peak:.1e})", "speech", "record it again, or skip it")]
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


class NotFiniteError(AudioError):
    """Samples that are NaN or infinite: the program that wrote them is at fault, not the recording."""


def read_audio(
    path: str | Path,
    rate_hz: int | None = None,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    dtype: type[np.floating] = np.float32,
    as_16_bits: bool = False,
) -> tuple[np.ndarray, int]:
    """Read one channel, whole or a segment, resampled where needed.

    Args:
        path: The file, or a command that ends in `|`.
        rate_hz: Wanted sampling rate; None for the file's own.
        start_s: Start of the segment, seconds.
        end_s: End of the segment; None for the end of the file.
        dtype: float32 or float64.
        as_16_bits: Round to 16 bits, as `write_audio` stores a wave; features are made from such waves.

    Returns:
        Samples (samples,) in [-1, 1] and their rate in Hz.

    Raises:
        AudioError: The command failed; the file is missing, empty, truncated, not audio, without samples, of several channels
            or not finite (`NotFiniteError`); or the segment lies outside. A silent or clipped file is read: see `inspect`.
    """
    fault = _missing_or_empty(path)
    if fault:
        raise AudioError(f"{path}: {fault.message}")
    try:
        with _open(path) as handle:
            rate, frames, has_16_bits = handle.samplerate, handle.frames, handle.subtype == "PCM_16"
            wanted_hz = rate_hz or rate
            first, last = _range(path, rate, wanted_hz, frames, start_s, end_s)
            handle.seek(first)
            # 16-bit samples are read as they are and scaled here: the same numbers as libsndfile's, but faster.
            samples = handle.read(last - first, dtype="int16" if has_16_bits else np.dtype(dtype).name, always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path} cannot be read as audio ({error})", fix="convert or replace it") from error
    if len(samples) < last - first or _is_cut_short(path):
        raise AudioError(f"{path} is truncated", expected="as many samples as its header says", fix="fetch or make it again")
    faults = [f for f in _form_faults(path, "", rate, samples.shape[1], None) if f.fatal] or _content_faults(samples)
    if faults:
        kind = NotFiniteError if faults[0].kind == "not_finite" else AudioError
        raise kind(f"{path}: {faults[0].message}")
    wave = np.multiply(samples[:, 0], dtype(1 / 32768), dtype=dtype) if has_16_bits else samples[:, 0]
    wave = resample(wave, rate, wanted_hz)
    offset = round(start_s * wanted_hz) - first * wanted_hz // rate
    wave = wave[offset:] if end_s is None else wave[offset : offset + round(end_s * wanted_hz) - round(start_s * wanted_hz)]
    if as_16_bits and not (has_16_bits and rate == wanted_hz):
        wave = (np.clip(np.rint(wave * 32768), -32768, 32767) / 32768).astype(dtype)
    return wave, wanted_hz


def _range(path: str | Path, rate: int, wanted_hz: int, frames: int, start_s: float, end_s: float | None) -> tuple[int, int]:
    """Return the first and last sample to read: the segment, with margins where it is resampled.

    Raises:
        AudioError: The segment lies outside the file.
    """
    start, end = round(start_s * rate), frames if end_s is None else round(end_s * rate)
    if not 0 <= start <= end <= frames + OVERSHOOT_S * rate:
        found = f"{path}: the segment from {start_s} s to {end_s} s lies outside its {frames / rate:.3f} s"
        raise AudioError(found, fix="correct segments")
    if rate == wanted_hz:
        return start, min(end, frames)
    # Resampling starts where a sample of one rate and a sample of the other fall on the same instant, so that the segment is what
    # a resampled whole file has there.
    step = rate // math.gcd(rate, wanted_hz)
    first = max(0, int((start_s - _MARGIN_S) * rate) // step * step)
    return first, frames if end_s is None else min(frames, round((end_s + _MARGIN_S) * rate))


def _content_faults(samples: np.ndarray) -> list[AudioFault]:
    """Return the faults that make samples (samples, channels) unusable: none at all, or values that are not finite."""
    if samples.size == 0 or (samples.dtype.kind == "f" and not np.isfinite(samples).all()):
        return _sample_faults(samples)
    return []


def is_stored(path: str | Path, rate_hz: int) -> bool:
    """Return whether a file is what `write_audio` makes: 16-bit WAV at that rate, read without any change."""
    if is_command(path):
        return False
    with _open(path) as handle:
        return handle.samplerate == rate_hz and handle.subtype == "PCM_16" and handle.format in ("WAV", "WAVEX")


def resample(samples: np.ndarray, from_hz: float, to_hz: float, quality: str = "HQ") -> np.ndarray:
    """Resample (samples,) with soxr; the dtype stays, and equal rates give the samples themselves."""
    return samples if from_hz == to_hz else soxr.resample(samples, from_hz, to_hz, quality=quality)


def write_audio(path: str | Path, samples: np.ndarray, rate_hz: int, *, sync: bool = True) -> None:
    """Write (samples,) as 16-bit WAV, whole or not at all.

    Args:
        path: The file.
        samples: int16, or floats in [-1, 1].
        rate_hz: Sampling rate.
        sync: Wait until the disk has it; False where thousands of files are written and a list of them comes last.

    Raises:
        AudioError: The samples are not finite numbers in one channel.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(f"{path}: samples of shape {samples.shape} are not one channel of finite numbers")
    if samples.dtype != np.int16:
        samples = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    with atomic_write(path, "wb", sync=sync) as out:
        soundfile.write(out, samples, rate_hz, format="WAV", subtype="PCM_16")


def flac_bytes(samples: np.ndarray, rate_hz: int) -> bytes:
    """Encode (samples,) as 16-bit FLAC in memory."""
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, subtype="PCM_16", format="FLAC")
    return out.getvalue()


def _open(source: str | Path) -> soundfile.SoundFile:
    """Open a file or the output of a command.

    Raises:
        AudioError: The command failed.
        soundfile.LibsndfileError: It is not audio.
    """
    return soundfile.SoundFile(io.BytesIO(command_output(str(source))) if is_command(source) else source)
