"""The first layers of the speech encoder: log-mel at 100 Hz to features at 25 Hz.

Both are our choice, since VQ-CTAP (arXiv 2408.05758) does not publish its layers: convolutions over time that take
all mel bands at once, or convolutions over time and mel, which find the same pattern wherever it lies along the mel
axis (the front end of Hori et al. 2017, arXiv 1706.02737, section 3.1, with two strided layers of three).
"""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.conv import MaskedConv
from ctaplib.nn.linear import Linear

FACTOR = 4
"""Mel frames of one output frame."""


class TimeFront(nn.Module):
    """Two convolutions over time, each of stride 2."""

    def __init__(self, n_mels: int, width: int) -> None:
        super().__init__()
        self.first = MaskedConv(n_mels, width, 6, stride=2)
        self.second = MaskedConv(width, width, 4, stride=2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, n_mels), (B, T) -> (B, T / 4, width)."""
        return self.second(F.relu(self.first(x, mask)), mask[:, ::2])


class TimeMelFront(nn.Module):
    """Three convolutions over time and mel, of stride 2, 1 and 2 along both, and a linear layer.

    Args:
        n_mels: Mel bands, a multiple of 4.
        channels: Features at every point of time and mel.
        width: Features that come out.
    """

    def __init__(self, n_mels: int, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 4, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.third = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)
        self.out = Linear(2 * channels * n_mels // 4, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, n_mels), (B, T) -> (B, T / 4, width)."""
        half, quarter = (mask[:, None, ::step, None] for step in (2, FACTOR))
        x = (x * mask.unsqueeze(-1)).unsqueeze(1)
        x = F.relu(self.first(x)).contiguous(memory_format=torch.channels_last) * half
        x = F.relu(self.second(x)) * half
        x = F.relu(self.third(x)) * quarter
        return self.out(x.permute(0, 2, 3, 1).flatten(2))
