"""Decoder by regression: content frames and a voice to the mean log-mel, F0 and voicing.

Source: VQ-CTAP (arXiv 2408.05758), model figure: the speech decoder. Its layers, and the way in which the voice enters
(it scales and shifts every normalisation), are our choice. So is F0 beside the mel: a mel predicted from codes that
hold little pitch is a mean over contours, with harmonics too blurred for a vocoder to read F0 from.
"""

import math
from collections.abc import Sequence

import torch

from ctaplib.config import Config
from ctaplib.losses.reconstruction import mel_loss, pitch_loss
from ctaplib.models.abilities import Content, DecoderOutput
from ctaplib.models.decoder import Decoder, DecoderLoss, DecoderTarget
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.linear import Linear
from ctaplib.tensors import at_least_float32

REFERENCE_HZ = 150.0
"""F0 whose octave is 0."""


class RegressionConfig(Config):
    """Sizes of the decoder."""

    slow: StackConfig = StackConfig(layers=2)
    """Blocks at the rate of the content."""
    fast: StackConfig = StackConfig(width=160, layers=2, hidden=480, heads=0)
    """Blocks at the rate of the features."""
    pitch: bool = True
    """Pass the predicted F0 to the vocoder, which otherwise estimates F0 from the mel."""


def octaves(f0_hz: torch.Tensor) -> torch.Tensor:
    """Convert F0 to octaves above the reference; 0 where unvoiced."""
    return torch.where(f0_hz > 0, torch.log2(f0_hz.clamp_min(1.0)) - math.log2(REFERENCE_HZ), 0.0)


def hertz(octave: torch.Tensor, voiced_logit: torch.Tensor) -> torch.Tensor:
    """Convert octaves to F0 in Hz; 0 where voicing is less likely than not."""
    return torch.where(voiced_logit > 0, REFERENCE_HZ * torch.exp2(octave.clamp(-2.0, 2.5)), 0.0)


class RegressionDecoder(Decoder):
    """Stack at the content's rate, upsampling by a linear layer, stack at the features' rate."""

    Config = RegressionConfig

    def __init__(self, config: RegressionConfig, inputs: int, voice: int, n_mels: int, hop: int) -> None:
        super().__init__()
        self.config, self.hop = config, hop
        self.inward = Linear(inputs, config.slow.width)
        self.slow = Stack(config.slow, voice)
        self.faster = Linear(config.slow.width, hop * config.fast.width)
        self.fast = Stack(config.fast, voice)
        self.outward = Linear(config.fast.width, n_mels + 2)

    def _predict(self, content: Content, voice: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Predict mel (B, T, n_mels), octaves above the reference (B, T) and log odds of voicing (B, T)."""
        x = self.slow(self.inward(content.frames), content.mask, voice)
        batch, time, _ = x.shape
        x = self.faster(x).view(batch, self.hop * time, -1)
        x = self.fast(x, content.mask.repeat_interleave(self.hop, 1), voice)
        out = at_least_float32(self.outward(x))
        return out[..., :-2], out[..., -2], out[..., -1]

    def forward(self, content: Content, voice: torch.Tensor, keys: Sequence[str] = ()) -> DecoderOutput:
        mel, octave, voiced_logit = self._predict(content, voice)
        return DecoderOutput(mel, hertz(octave, voiced_logit) if self.config.pitch else None)

    def loss(self, content: Content, voice: torch.Tensor, target: DecoderTarget, keys: Sequence[str] = ()) -> DecoderLoss:
        mel, octave, voiced_logit = self._predict(content, voice)
        f0_hz, mask = target.f0_hz, target.mask
        pitch = pitch_loss(octave, voiced_logit, octaves(f0_hz), f0_hz > 0, mask)
        return DecoderLoss(mel_loss(mel, target.mel, mask, target.distance), pitch, DecoderOutput(mel))


DECODER = RegressionDecoder
