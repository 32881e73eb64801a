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

# log_mel works in blocks so that all it touches stays in the cache of one core (tests/bench/bench_logmel.py).
_BLOCK_FRAMES = 256
"""Number of frames per matrix product with the filter bank."""
_PART_FRAMES = 128
"""Number of frames per Fourier transform: small enough that the C library reuses the memory of their spectra."""
_BANDS = 16
"""Number of mel bands per matrix product; each product covers only the bins where they are not zero."""


@lru_cache(maxsize=8)
def slaney_bank(rate_hz: int, fft_size: int, n_mels: int, fmin_hz: float = 0.0, fmax_hz: float | None = None) -> np.ndarray:
    """Compute triangular mel filters of equal area, (fft_size // 2 + 1, n_mels) float64, read-only.

    Source: Slaney, Auditory Toolbox, 1998 (the scale that is linear below 1 kHz, as in most vocoders).
    """
    edges_mel = np.linspace(_hz_to_mel(fmin_hz), _hz_to_mel(fmax_hz or rate_hz / 2), n_mels + 2)
    edges_hz = _mel_to_hz(edges_mel)
    bins_hz = np.fft.rfftfreq(fft_size, 1 / rate_hz)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])
    bank = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges_hz[2:] - edges_hz[:-2]))
    bank.setflags(write=False)
    return bank


@lru_cache(maxsize=8)
def mel_filterbank(config: FeatureConfig) -> np.ndarray:
    """Compute the filter bank of a front end, (fft_size // 2 + 1, n_mels) float32, read-only."""
    bank = slaney_bank(config.rate_hz, config.fft_size, config.n_mels, config.fmin_hz, config.top_hz).astype(np.float32)
    bank.setflags(write=False)
    return bank


@lru_cache(maxsize=8)
def _filterbank_parts(config: FeatureConfig) -> list[tuple[slice, slice, np.ndarray]]:
    """Cut the filter bank into groups of bands: the bins where a group is not zero, the bands, the weights."""
    bank, parts = mel_filterbank(config), []
    for first in range(0, config.n_mels, _BANDS):
        bands = slice(first, min(first + _BANDS, config.n_mels))
        used = np.flatnonzero(bank[:, bands].any(1))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        parts.append((bins, bands, np.ascontiguousarray(bank[bins, bands])))
    return parts


@lru_cache(maxsize=8)
def hann_window(config: FeatureConfig) -> np.ndarray:
    """Compute the periodic Hann window, (window_samples,) float32, read-only."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.window_samples) / config.window_samples)
    window = window.astype(np.float32)
    window.setflags(write=False)
    return window


def log_mel(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Compute the natural logarithm of mel band magnitudes: log(max(|rfft(frames * window)| @ bank, floor)).

    Args:
        wave: (samples,) float in [-1, 1] at `config.rate_hz`.
        config: The front end.

    Returns:
        (floor(samples / hop), n_mels) float32.

    Raises:
        AudioError: The wave is shorter than one window, or has not one channel.
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
            # View the complex spectrum as floats, (rows, 2 * bins), real and imaginary parts in turn: squaring in place is
            # faster than np.abs, which guards against overflow.
            squares = scipy.fft.rfft(part[:rows], axis=1).view(np.float32)
            np.multiply(squares, squares, out=squares)
            np.add(squares[:, ::2], squares[:, 1::2], out=here)
            np.sqrt(here, out=here)
        for used, bands, weights in parts:
            np.matmul(magnitude[:count, used], weights, out=out[first : first + count, bands])
    np.maximum(out, config.floor, out=out)
    return np.log(out, out=out)


def f0_track(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Track the fundamental frequency of every frame, Hz; 0 where unvoiced.

    Args:
        wave: (samples,) float in [-1, 1] at `config.rate_hz`.
        config: The front end.

    Returns:
        (floor(samples / hop),) float32, taken at the middle of each frame.

    Raises:
        AudioError: The wave is shorter than one window, or has not one channel.
    """
    wave = _check(wave, config)
    # DIO's first value lies at time 0, ours at half a hop: without the first half hop, time 0 is there.
    centred = wave[config.hop_samples // 2 :]
    track = world_f0(centred, config.rate_hz, config.hop_s, config.f0_min_hz, config.f0_max_hz, quality="MQ").astype(np.float32)
    n_frames = config.frames(len(wave))
    out = np.zeros(n_frames, np.float32)
    out[: min(n_frames, len(track))] = track[:n_frames]
    return out


def world_f0(wave: np.ndarray, rate_hz: int, hop_s: float, min_hz: float, max_hz: float, *, quality: str = "HQ") -> np.ndarray:
    """Track F0 at the times 0, hop_s, 2 hop_s ..., Hz; 0 where unvoiced.

    Args:
        wave: (samples,) float.
        rate_hz: Its sampling rate.
        hop_s: Seconds from one value to the next.
        min_hz: Lowest F0 searched for.
        max_hz: Highest F0 searched for.
        quality: soxr's quality of the resampling to 8 kHz.

    Returns:
        (values,) float64.

    Source: Morise et al., WORLD, 2016 (DIO, then StoneMask), on the wave at 8 kHz (our choice, for speed).
    """
    import soxr  # here, as pyworld: a filter bank needs neither

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyworld imports pkg_resources, which warns of its own removal
        import pyworld
    if rate_hz != F0_RATE_HZ:
        wave = soxr.resample(wave, rate_hz, F0_RATE_HZ, quality=quality)
    low = np.ascontiguousarray(wave, np.float64)
    rough, times_s = pyworld.dio(low, F0_RATE_HZ, f0_floor=min_hz, f0_ceil=max_hz, frame_period=hop_s * 1000)
    return pyworld.stonemask(low, rough, times_s, F0_RATE_HZ)


def _check(wave: np.ndarray, config: FeatureConfig) -> np.ndarray:
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise AudioError(f"a wave of shape {wave.shape}", expected="one channel, shape (samples,)")
    if len(wave) < config.window_samples:
        raise AudioError(
            f"a wave of {len(wave)} samples",
            expected=f"at least one window of {config.window_samples}",
            fix="skip the utterance",
        )
    return wave


_MEL_HZ = 200.0 / 3
_MEL_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _MEL_HZ if hz < 1000 else 15.0 + np.log(hz / 1000.0) / _MEL_LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15.0, mel * _MEL_HZ, 1000.0 * np.exp(_MEL_LOG_STEP * (mel - 15.0)))
