"""Normalisation of log-mel by the statistics of the training set."""

import numpy as np
import torch
from torch import nn


class MelNormalizer(nn.Module):
    """Base of models that normalise log-mel themselves, with the statistics in their checkpoint."""

    mel_mean: torch.Tensor
    mel_std: torch.Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("mel_mean", torch.zeros(n_mels))
        self.register_buffer("mel_std", torch.ones(n_mels))

    def set_statistics(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Copy the training set's mean and standard deviation of every mel band."""
        self.mel_mean.copy_(torch.as_tensor(mean))
        self.mel_std.copy_(torch.as_tensor(std))

    def normalize(self, mel: torch.Tensor) -> torch.Tensor:
        """Normalise stored log-mel to zero mean and unit variance."""
        return (mel - self.mel_mean) / self.mel_std

    def restore(self, mel: torch.Tensor) -> torch.Tensor:
        """Invert `normalize`."""
        return mel * self.mel_std + self.mel_mean
