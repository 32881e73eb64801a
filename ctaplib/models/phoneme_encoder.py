"""Phonemes to the joint space: ids stretched to 100 Hz, then 25 Hz as the speech encoder does (P).

Source: VQ-CTAP (arXiv 2408.05758), model figure: length regulator with true durations, then the phoneme
encoder. Sizes are our choice.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.conv import MaskedConv
from ctaplib.nn.length import regulate
from ctaplib.tensors import length_mask


class PhonemeEncoderConfig(Config):
    """Sizes of the phoneme encoder."""

    stack: StackConfig = StackConfig(layers=2)
    """Blocks at 25 Hz."""
    embedding: int = 96
    """Features of a phone before the blocks."""


class PhonemeEncoder(nn.Module):
    """Phone ids and durations -> (B, T / 4, width)."""

    def __init__(self, config: PhonemeEncoderConfig, n_tokens: int) -> None:
        super().__init__()
        width = config.stack.width
        self.embedding = nn.Embedding(n_tokens, config.embedding)
        self.first = MaskedConv(config.embedding, width, 6, stride=2)
        self.second = MaskedConv(width, width, 4, stride=2)
        self.stack = Stack(config.stack)

    def forward(self, phones: torch.Tensor, durations: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
        """Encode.

        Args:
            phones: (B, N) token ids, silences among them.
            durations: (B, N) 10 ms frames, 0 at padding.
            lengths: (B,) valid 10 ms frames, multiples of 4.
            frames: T, padded 10 ms frames, a multiple of 4.

        Returns:
            P (B, T / 4, width).
        """
        mask = length_mask(lengths, frames)
        x = self.embedding(regulate(phones, durations, frames))
        x = F.relu(self.first(x, mask))
        x = self.second(x, mask[:, ::2])
        return self.stack(x, mask[:, ::4])
