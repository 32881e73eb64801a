"""Mixtures of diagonal Gaussians for every class, estimated from frames that are assigned to classes."""

from dataclasses import dataclass

import numpy as np

VARIANCE_FLOOR = 0.05
"""Smallest variance, as a share of the variance of all frames."""


@dataclass(frozen=True)
class Mixtures:
    """A mixture of diagonal Gaussians for each class, in float64."""

    weight: np.ndarray
    """(classes, mixtures)."""
    mean: np.ndarray
    """(classes, mixtures, dims)."""
    variance: np.ndarray
    """(classes, mixtures, dims)."""

    def log_scores(self, frames: np.ndarray) -> np.ndarray:
        """Return the log-likelihood of the best Gaussian of each class, (T, dims) to (T, classes) float32."""
        return self._per_gaussian(frames).max(2)

    def _per_gaussian(self, frames: np.ndarray) -> np.ndarray:
        classes, mixtures, dims = self.mean.shape
        precision = 1.0 / self.variance
        constant = np.log(self.weight) - 0.5 * (np.log(2 * np.pi * self.variance).sum(2) + (self.mean**2 * precision).sum(2))
        linear = (self.mean * precision).reshape(-1, dims).T.astype(np.float32)
        square = (-0.5 * precision).reshape(-1, dims).T.astype(np.float32)
        scores = frames @ linear
        scores += np.square(frames) @ square
        scores += constant.reshape(-1).astype(np.float32)
        return scores.reshape(len(frames), classes, mixtures)

    def split(self) -> "Mixtures":
        """Return twice as many Gaussians: each split in two, with means shifted by -0.2 and +0.2 standard deviations."""
        shift = 0.2 * np.sqrt(self.variance)
        return Mixtures(
            np.concatenate([self.weight, self.weight], 1) / 2,
            np.concatenate([self.mean - shift, self.mean + shift], 1),
            np.concatenate([self.variance, self.variance], 1),
        )

    def statistics(self, frames: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Compute sums over frames (T, dims) assigned to classes (T,); those of parts of the data add up.

        Returns:
            (classes, mixtures, 1 + 2 * dims) float64: occupancy, sums of values and of squares.
        """
        n_classes, mixtures, dims = self.mean.shape
        sums = np.zeros((n_classes, mixtures, 1 + 2 * dims))
        order = np.argsort(classes, kind="stable")
        starts = np.searchsorted(classes[order], np.arange(n_classes + 1))
        for c in range(n_classes):
            mine = frames[order[starts[c] : starts[c + 1]]]
            if not len(mine):
                continue
            one = Mixtures(self.weight[c : c + 1], self.mean[c : c + 1], self.variance[c : c + 1])
            scores = one._per_gaussian(mine)[:, 0].astype(np.float64)
            share = np.exp(scores - scores.max(1, keepdims=True))
            share /= share.sum(1, keepdims=True)
            wide = mine.astype(np.float64)
            sums[c] = share.T @ np.concatenate([np.ones((len(mine), 1)), wide, wide**2], 1)
        return sums

    def update(self, sums: np.ndarray, floor: np.ndarray, least: float = 5.0) -> "Mixtures":
        """Return the maximum-likelihood mixtures of statistics; Gaussians with fewer frames than `least` stay as they are."""
        dims = self.mean.shape[2]
        count = sums[:, :, :1]
        safe = np.maximum(count, 1e-8)
        mean = sums[:, :, 1 : 1 + dims] / safe
        variance = np.maximum(sums[:, :, 1 + dims :] / safe - mean**2, floor)
        enough = count >= least
        weight = np.maximum(count[:, :, 0] / np.maximum(count[:, :, 0].sum(1, keepdims=True), 1e-8), 1e-4)
        return Mixtures(
            weight / weight.sum(1, keepdims=True),
            np.where(enough, mean, self.mean),
            np.where(enough, variance, self.variance),
        )
