"""Log-mel spectrograms and F0 of a wave, one frame per hop.

Frame t covers the samples [t * hop, (t + 1) * hop): its window is centred on the middle of that span, so
T = floor(samples / hop) and a time in seconds is frame * hop_s without any offset.
"""

import warnings
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ctaplib.audio.settings import FeatureConfig
from ctaplib.errors import AudioError

F0_RATE_HZ = 8000
"""Rate of the wave that the F0 tracker sees; enough for a fundamental, and several times faster."""

_BLOCK_FRAMES = 256
"""Frames that go through the filter bank at once."""
_PART_FRAMES = 128
"""Frames that are transformed at once: their spectra are small enough that the C library keeps the memory for the next."""
_BANDS = 16
"""Mel bands that are summed up at once, over the bins that they have, not the zeros of the others."""


@lru_cache(maxsize=8)
def mel_filterbank(config: FeatureConfig) -> np.ndarray:
    """Triangular mel filters of equal area, (fft_size // 2 + 1, n_mels) float32.

    Source: Slaney, Auditory Toolbox, 1998 (the scale that is linear below 1 kHz, as in most vocoders).
    """
    edges_mel = np.linspace(_hz_to_mel(config.fmin_hz), _hz_to_mel(config.top_hz), config.n_mels + 2)
    edges_hz = _mel_to_hz(edges_mel)
    bins_hz = np.arange(config.fft_size // 2 + 1) * config.rate_hz / config.fft_size
    rising = (bins_hz[:, None] - edges_hz[None, :-2]) / np.diff(edges_hz)[None, :-1]
    falling = (edges_hz[None, 2:] - bins_hz[:, None]) / np.diff(edges_hz)[None, 1:]
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges_hz[2:] - edges_hz[:-2]))
    bank = weights.astype(np.float32)
    bank.setflags(write=False)
    return bank


@lru_cache(maxsize=8)
def _filterbank_parts(config: FeatureConfig) -> list[tuple[slice, slice, np.ndarray]]:
    """The filter bank a few bands at a time: the bins that these have, the bands, the weights."""
    bank, parts = mel_filterbank(config), []
    for first in range(0, config.n_mels, _BANDS):
        bands = slice(first, min(first + _BANDS, config.n_mels))
        used = np.flatnonzero(bank[:, bands].any(1))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        parts.append((bins, bands, np.ascontiguousarray(bank[bins, bands])))
    return parts


@lru_cache(maxsize=8)
def hann_window(config: FeatureConfig) -> np.ndarray:
    """Periodic Hann window, (window_samples,) float32."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.window_samples) / config.window_samples)
    window = window.astype(np.float32)
    window.setflags(write=False)
    return window


def log_mel(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Natural logarithm of mel band magnitudes.

    Args:
        wave: (samples,) float in [-1, 1] at `config.rate_hz`.
        config: The front end.

    Returns:
        (floor(samples / hop), n_mels) float32.

    Raises:
        AudioError: the wave is shorter than one window, or is not one channel.
    """
    import scipy.fft  # here, so that reading a config does not wait for it

    wave = _check(wave, config)
    frames = sliding_window_view(np.pad(wave, config.pad_samples, mode="reflect"), config.window_samples)
    frames = frames[:: config.hop_samples]
    window, parts = hann_window(config), _filterbank_parts(config)
    n_frames, bins = config.frames(len(wave)), config.fft_size // 2 + 1
    out = np.empty((n_frames, config.n_mels), np.float32)
    part = np.zeros((_PART_FRAMES, config.fft_size), np.float32)
    magnitude = np.empty((_BLOCK_FRAMES, bins), np.float32)
    for first in range(0, n_frames, _BLOCK_FRAMES):
        count = min(_BLOCK_FRAMES, n_frames - first)
        for start in range(0, count, _PART_FRAMES):
            end = min(start + _PART_FRAMES, count)
            rows, here = end - start, magnitude[start:end]
            np.multiply(frames[first + start : first + end], window, out=part[:rows, : config.window_samples])
            squares = scipy.fft.rfft(part[:rows], axis=1).view(np.float32)  # (rows, 2 * bins): real and imaginary parts in turn
            np.multiply(squares, squares, out=squares)
            np.add(squares[:, ::2], squares[:, 1::2], out=here)
            np.sqrt(here, out=here)
        for used, bands, weights in parts:
            np.matmul(magnitude[:count, used], weights, out=out[first : first + count, bands])
    np.maximum(out, config.floor, out=out)
    return np.log(out, out=out)


def f0_track(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Fundamental frequency of every frame, Hz; 0 where unvoiced.

    Args:
        wave: (samples,) float in [-1, 1] at `config.rate_hz`.
        config: The front end.

    Returns:
        (floor(samples / hop),) float32, taken at the middle of each frame.

    Source: Morise et al., WORLD, 2016 (DIO, then StoneMask), on the wave at 8 kHz (our choice, for speed).

    Raises:
        AudioError: the wave is shorter than one window, or is not one channel.
    """
    import soxr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which announces its own end
        import pyworld
    wave = _check(wave, config)
    # DIO's first value lies at time 0, ours at half a hop: leaving out half a hop moves it there.
    centred = wave[config.hop_samples // 2 :]
    low = soxr.resample(centred, config.rate_hz, F0_RATE_HZ, quality="MQ").astype(np.float64)
    rough, times_s = pyworld.dio(
        low, F0_RATE_HZ, f0_floor=config.f0_min_hz, f0_ceil=config.f0_max_hz, frame_period=config.hop_s * 1000
    )
    track = pyworld.stonemask(low, rough, times_s, F0_RATE_HZ).astype(np.float32)
    n_frames = config.frames(len(wave))
    out = np.zeros(n_frames, np.float32)
    out[: min(n_frames, len(track))] = track[:n_frames]
    return out


def _check(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise AudioError(f"a wave of shape {wave.shape}", expected="one channel, shape (samples,)")
    if len(wave) < config.window_samples:
        raise AudioError(
            f"a wave of {len(wave)} samples",
            expected=f"at least one window of {config.window_samples}",
            fix="leave it out",
        )
    return wave


def _hz_to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
