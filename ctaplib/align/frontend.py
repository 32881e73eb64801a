"""What the aligner hears: log-mel at a fine hop, each utterance centred on itself, and cepstra made from it."""

import numpy as np

from ctaplib.audio.features import log_mel
from ctaplib.audio.settings import FeatureConfig


def listen(wave: np.ndarray, front_end: FeatureConfig) -> np.ndarray:
    """Log-mel of a wave, (T, n_mels) float32, as it is; `centre` and `cepstra` make inputs of it."""
    return log_mel(wave, front_end)


def centre(mel: np.ndarray) -> np.ndarray:
    """Take off each band's mean over the utterance and divide by one deviation for all bands."""
    return ((mel - mel.mean(0)) / (mel.std() + 1e-3)).astype(np.float32)


def quiet_frames(mel: np.ndarray, share: float) -> np.ndarray:
    """Frames whose level lies below `share` of the way from the quietest to the loudest, (T,) bool."""
    level = mel.mean(1)
    low, high = np.percentile(level, [3, 95])
    return level < low + share * (high - low)


def cepstra(mel: np.ndarray, count: int, reach: int = 2) -> np.ndarray:
    """Cepstra with mean 0 and variance 1 in the utterance, their slopes and the slopes of those.

    Args:
        mel: (T, n_mels) log-mel.
        count: Cepstra to keep.
        reach: Frames between the points that a slope is fitted to.

    Returns:
        (T, 3 * count) float32.
    """
    n_mels = mel.shape[1]
    basis = np.cos(np.pi / n_mels * (np.arange(n_mels) + 0.5)[:, None] * np.arange(count)) * np.sqrt(2 / n_mels)
    values = mel @ basis.astype(np.float32)
    values = (values - values.mean(0)) / (values.std(0) + 1e-3)
    slope = _slope(values, reach)
    return np.ascontiguousarray(np.concatenate([values, slope, _slope(slope, reach)], 1), dtype=np.float32)


def _slope(values: np.ndarray, reach: int) -> np.ndarray:
    """Least-squares slope over five points that lie `reach` frames apart."""
    padded, length = np.pad(values, ((2 * reach, 2 * reach), (0, 0)), "edge"), len(values)
    near = padded[3 * reach : 3 * reach + length] - padded[reach : reach + length]
    return (near + 2 * (padded[4 * reach : 4 * reach + length] - padded[:length])) / 10
