"""The first layers of the speech encoder: log-mel to frames of `hop` feature frames each (100 Hz to 25 Hz by default).

Both are our choice, since VQ-CTAP (arXiv 2408.05758) does not publish its layers: convolutions over time that take
all mel bands at once, or convolutions over time and mel, which find the same pattern wherever it lies along the mel
axis (the front end of Hori et al. 2017, arXiv 1706.02737, section 3.1, with two strided layers of three).
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.conv import MaskedConv
from ctaplib.nn.linear import Linear

NAMES = ("first", "second", "third")
TIME_STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (2, 2, 2)}
"""Strides of the convolutions over time, by hop."""
TIME_MEL_STRIDES = {1: (1, 1, 1), 2: (2, 1, 1), 4: (2, 1, 2), 8: (2, 2, 2)}
"""Strides along time of the convolutions over time and mel, by hop."""


class TimeConvs(nn.Module):
    """Convolutions over time that reduce the frame rate, with ReLU between them."""

    def add_convs(self, inputs: int, width: int, hop: int) -> Self:
        """Add `first`, `second` ... to the module, so that (B, T, inputs) becomes (B, T / hop, width)."""
        self.hop = hop
        for name, stride in zip(NAMES, TIME_STRIDES[hop]):
            kernel = (6 if stride == 2 else 5) if name == "first" else (4 if stride == 2 else 3)
            self.add_module(name, MaskedConv(inputs if name == "first" else width, width, kernel, stride))
        return self

    def reduce(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Apply the convolutions: (B, T, inputs), (B, T) -> (B, T / hop, width)."""
        convs = [conv for name in NAMES if isinstance(conv := getattr(self, name, None), MaskedConv)]
        for index, conv in enumerate(convs):
            x = conv(F.relu(x) if index else x, mask)
            mask = mask[:, :: conv.stride]
        return x


class TimeMelFront(nn.Module):
    """Three convolutions over time and mel, which halve the mel axis twice, and a linear layer; `n_mels` divides by 4."""

    def __init__(self, n_mels: int, channels: int, width: int, hop: int) -> None:
        super().__init__()
        self.strides = TIME_MEL_STRIDES[hop]
        kernels = [4 if stride == 2 else 3 for stride in self.strides]
        self.first = nn.Conv2d(1, channels, (kernels[0], 4), stride=(self.strides[0], 2), padding=1)
        self.second = nn.Conv2d(channels, channels, (kernels[1], 3), stride=(self.strides[1], 1), padding=1)
        self.third = nn.Conv2d(channels, 2 * channels, (kernels[2], 4), stride=(self.strides[2], 2), padding=1)
        self.out = Linear(2 * channels * n_mels // 4, width)

    def reduce(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, n_mels), (B, T) -> (B, T / hop, width)."""
        x, mask = (x * mask.unsqueeze(-1)).unsqueeze(1), mask[:, None, :, None]
        for conv, stride in zip((self.first, self.second, self.third), self.strides):
            mask = mask[:, :, ::stride]
            x = F.relu(conv(x)) * mask
            if conv is self.first:
                x = x.contiguous(memory_format=torch.channels_last)
        return self.out(x.permute(0, 2, 3, 1).flatten(2))
