"""Codes and a global vector to log-mel: (Ŝ, G) at 25 Hz to a spectrum at 100 Hz.

Source: VQ-CTAP (arXiv 2408.05758), model figure: the speech decoder. Layers, and the way in which G comes in
(scaling and shifting every normalisation), are our choice.
"""

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.tensors import widen


class MelDecoderConfig(Config):
    """Sizes of the mel decoder."""

    slow: StackConfig = StackConfig(layers=2)
    """Blocks at 25 Hz."""
    fast: StackConfig = StackConfig(width=160, layers=2, hidden=480, heads=0)
    """Blocks at 100 Hz."""


class MelDecoder(nn.Module):
    """(B, T / 4, inputs), (B, condition) -> (B, T, n_mels)."""

    def __init__(self, config: MelDecoderConfig, inputs: int, condition: int, n_mels: int) -> None:
        super().__init__()
        self.inward = nn.Linear(inputs, config.slow.width)
        self.slow = Stack(config.slow, condition)
        self.faster = nn.Linear(config.slow.width, 4 * config.fast.width)
        self.fast = Stack(config.fast, condition)
        self.outward = nn.Linear(config.fast.width, n_mels)

    def forward(self, content: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        """Decode.

        Args:
            content: (B, T / 4, inputs) quantised vectors.
            mask: (B, T / 4).
            prompt: (B, condition) global vector.

        Returns:
            (B, T, n_mels) normalised log-mel.
        """
        x = self.slow(self.inward(content), mask, prompt)
        batch, time, _ = x.shape
        x = self.faster(x).view(batch, 4 * time, -1)
        x = self.fast(x, mask.repeat_interleave(4, 1), prompt)
        return widen(self.outward(x))
