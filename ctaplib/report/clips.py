"""Audio clips for a page that needs nothing beside itself: FLAC and a spectrogram picture, both as data URIs."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from ctaplib.audio.files import flac_bytes, read_audio

_TOP_HZ = 8000
_RANGE_DB = 70.0
_HEIGHT = 112
_STEP_S = 0.008
_WINDOW_S = 0.025


@dataclass(frozen=True)
class Clip:
    """An audio clip of the page: 16-bit FLAC and a PNG of its spectrogram (time to the right, 0 to 8 kHz upwards)."""

    label: str
    audio_uri: str
    picture_uri: str
    duration_s: float


def make_clip(path: Path, label: str) -> Clip:
    """Read a file and embed it.

    Raises:
        AudioError: the file cannot be used.
    """
    audio, rate_hz = read_audio(path)
    picture = io.BytesIO()
    image = Image.fromarray(spectrogram(audio, rate_hz), "P")
    image.putpalette(_palette())
    image.save(picture, "PNG", optimize=False, compress_level=9)
    audio_uri, picture_uri = data_uri("audio/flac", flac_bytes(audio, rate_hz)), data_uri("image/png", picture.getvalue())
    return Clip(label, audio_uri, picture_uri, len(audio) / rate_hz)


def data_uri(kind: str, content: bytes) -> str:
    """Return bytes as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def spectrogram(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Compute log power, 70 dB in 128 levels, (112, frames) uint8, highest frequency first."""
    window = int(_WINDOW_S * rate_hz)
    padded = np.pad(audio, (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: max(1, int(_STEP_S * rate_hz))]
    size = 1 << (window - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hanning(window), size)).T ** 2
    bins = min(len(power), int(_TOP_HZ / rate_hz * size) + 1)
    edges = np.linspace(0, bins, _HEIGHT + 1).astype(int)
    rows = np.add.reduceat(power[:bins], np.minimum(edges[:-1], bins - 1), axis=0)
    decibels = 10 * np.log10(np.maximum(rows, 1e-12))
    level = (decibels - decibels.max() + _RANGE_DB) / _RANGE_DB
    return (np.clip(level, 0, 1)[::-1] * 127).astype(np.uint8)


@lru_cache(maxsize=1)
def _palette() -> list[int]:
    colours = matplotlib.colormaps["magma"](np.linspace(0, 1, 128))[:, :3]
    return (colours * 255).astype(int).reshape(-1).tolist()
