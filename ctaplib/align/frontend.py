"""Inputs of the aligner from log-mel: centred per utterance for the network, cepstra for the mixtures."""

import numpy as np


def centre(mel: np.ndarray) -> np.ndarray:
    """Subtract each band's mean over the utterance and divide by one standard deviation for all bands."""
    return ((mel - mel.mean(0)) / (mel.std() + 1e-3)).astype(np.float32)


def quiet_frames(mel: np.ndarray, share: float) -> np.ndarray:
    """Return which frames have a level below `share` of the way from the quietest to the loudest, (T,) bool."""
    level = mel.mean(1)
    low, high = np.percentile(level, [3, 95])
    return level < low + share * (high - low)


def cepstra(mel: np.ndarray, count: int, reach: int = 2) -> np.ndarray:
    """Compute cepstra with mean 0 and variance 1 in the utterance, their slopes and the slopes of those.

    From log-mel (T, n_mels) to (T, 3 * count) float32; the points of a slope are `reach` frames apart.
    """
    n_mels = mel.shape[1]
    basis = np.cos(np.pi / n_mels * (np.arange(n_mels) + 0.5)[:, None] * np.arange(count)) * np.sqrt(2 / n_mels)
    values = mel @ basis.astype(np.float32)
    values = (values - values.mean(0)) / (values.std(0) + 1e-3)
    slope = _slope(values, reach)
    return np.ascontiguousarray(np.concatenate([values, slope, _slope(slope, reach)], 1), dtype=np.float32)


def _slope(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the least-squares slope over five points `reach` frames apart."""
    padded, length = np.pad(values, ((2 * reach, 2 * reach), (0, 0)), "edge"), len(values)
    near = padded[3 * reach : 3 * reach + length] - padded[reach : reach + length]
    return (near + 2 * (padded[4 * reach : 4 * reach + length] - padded[:length])) / 10
