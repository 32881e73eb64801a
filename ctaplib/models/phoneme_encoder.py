"""Phoneme encoder: token ids repeated to the feature rate, then to the rate of the content (P).

Source: VQ-CTAP (arXiv 2408.05758), model figure: length regulator with true durations, then the phoneme encoder. Sizes
are our choice.
"""

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.models.speech_front import TimeConvs
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.length import regulate
from ctaplib.tensors import length_mask


class PhonemeEncoderConfig(Config):
    """Sizes of the phoneme encoder."""

    stack: StackConfig = StackConfig(layers=2)
    """Blocks at the rate of the content."""
    embedding: int = 96
    """Features of a phone embedding."""


class PhonemeEncoder(TimeConvs):
    """Phone ids and durations -> (B, T / hop, width)."""

    def __init__(self, config: PhonemeEncoderConfig, n_tokens: int, hop: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, config.embedding)
        self.add_convs(config.embedding, config.stack.width, hop)
        self.stack = Stack(config.stack)

    def forward(self, phones: torch.Tensor, durations: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
        """Encode token ids with durations.

        Args:
            phones: (B, N) token ids, with silences.
            durations: (B, N) feature frames, 0 at padding.
            lengths: (B,) valid feature frames, multiples of `hop`.
            frames: T, padded feature frames, a multiple of `hop`.

        Returns:
            P (B, T / hop, width).
        """
        mask = length_mask(lengths, frames)
        x = self.reduce(self.embedding(regulate(phones, durations, frames)), mask)
        return self.stack(x, mask[:, :: self.hop])
