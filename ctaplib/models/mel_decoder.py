"""Codes and a global vector to log-mel and pitch: (Ŝ, G) at 25 Hz to spectrum and F0 at 100 Hz.

Source: VQ-CTAP (arXiv 2408.05758), model figure: the speech decoder. Layers, and the way in which G comes in
(scaling and shifting every normalisation), are our choice. So is the pitch beside the mel: a mel predicted from
codes that hold little pitch is a mean over contours, with harmonics too blurred for a vocoder to read.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.linear import Linear
from ctaplib.tensors import at_least_float32


class MelDecoderConfig(Config):
    """Sizes of the mel decoder."""

    slow: StackConfig = StackConfig(layers=2)
    """Blocks at 25 Hz."""
    fast: StackConfig = StackConfig(width=160, layers=2, hidden=480, heads=0)
    """Blocks at 100 Hz."""
    pitch: bool = True
    """Whether the vocoder is given the pitch that is said here, or reads its own from the mel."""


REFERENCE_HZ = 150.0
"""F0 whose octave is 0."""


@dataclass(frozen=True)
class DecoderOutput:
    """What the decoder says.

    Attributes:
        mel: (B, T, n_mels) normalised log-mel.
        octave: (B, T) log2 of F0 over 150 Hz.
        voiced_logit: (B, T) log odds of voicing.
    """

    mel: torch.Tensor
    octave: torch.Tensor
    voiced_logit: torch.Tensor

    @property
    def f0_hz(self) -> torch.Tensor:
        """(B, T) F0 in Hz, 0 where unvoiced."""
        return torch.where(self.voiced_logit > 0, REFERENCE_HZ * torch.exp2(self.octave.clamp(-2.0, 2.5)), 0.0)


def octaves(f0_hz: torch.Tensor) -> torch.Tensor:
    """log2 of F0 over the reference; 0 where unvoiced."""
    return torch.where(f0_hz > 0, torch.log2(f0_hz.clamp_min(1.0)) - math.log2(REFERENCE_HZ), 0.0)


class MelDecoder(nn.Module):
    """(B, T / 4, inputs), (B, condition) -> DecoderOutput."""

    def __init__(self, config: MelDecoderConfig, inputs: int, condition: int, n_mels: int) -> None:
        super().__init__()
        self.inward = Linear(inputs, config.slow.width)
        self.slow = Stack(config.slow, condition)
        self.faster = Linear(config.slow.width, 4 * config.fast.width)
        self.fast = Stack(config.fast, condition)
        self.outward = Linear(config.fast.width, n_mels + 2)

    def forward(self, content: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor) -> DecoderOutput:
        """Decode.

        Args:
            content: (B, T / 4, inputs) quantised vectors.
            mask: (B, T / 4).
            prompt: (B, condition) global vector.
        """
        x = self.slow(self.inward(content), mask, prompt)
        batch, time, _ = x.shape
        x = self.faster(x).view(batch, 4 * time, -1)
        x = self.fast(x, mask.repeat_interleave(4, 1), prompt)
        out = at_least_float32(self.outward(x))
        return DecoderOutput(out[..., :-2], out[..., -2], out[..., -1])
