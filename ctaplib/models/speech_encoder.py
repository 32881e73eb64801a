"""Speech encoder: log-mel to content frames (S, and R for speech without text).

Source: VQ-CTAP (arXiv 2408.05758), model figure: a speech encoder that "reduces the temporal dimension", 960 samples of
24 kHz per vector. Its layers are not published: strided convolutions and a stack of blocks are our choice. So is the
instance normalisation, which removes the speaker's mean spectrum (Chou and Lee 2019, AdaIN-VC, arXiv 1904.05742, section 3).
"""

from typing import Literal

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.models.speech_front import TimeConvs, TimeMelFront
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.tensors import length_mask


class SpeechEncoderConfig(Config):
    """Sizes of the speech encoder."""

    stack: StackConfig = StackConfig()
    """Blocks at the rate of the content."""
    hop: Literal[1, 2, 4, 8] = 4
    """Feature frames in one content frame: 4 for content at 25 Hz from features at 100 Hz."""
    front_channels: int = 0
    """Channels of convolutions over time and mel before the blocks; 0: convolutions over time alone."""
    instance_norm: bool = True
    """Normalise every mel band over the utterance."""


def instance_normalize(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Normalise each feature to zero mean and unit variance over the valid frames of an utterance: (B, T, D)."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    count = weight.sum(1, keepdim=True).clamp_min(1.0)
    mean = (x * weight).sum(1, keepdim=True) / count
    variance = (((x - mean) * weight) ** 2).sum(1, keepdim=True) / count
    return (x - mean) * torch.rsqrt(variance + 1e-3) * weight


class SpeechEncoder(nn.Module):
    """(B, T, n_mels) normalised log-mel -> (B, T / hop, width)."""

    def __init__(self, config: SpeechEncoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        width = config.stack.width
        channels = config.front_channels
        self.front: TimeMelFront | TimeConvs
        if channels:
            self.front = TimeMelFront(n_mels, channels, width, config.hop)
        else:
            self.front = TimeConvs().add_convs(n_mels, width, config.hop)
        self.stack = Stack(config.stack)

    def forward(self, mel: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return S (B, T / hop, width) and its mask (B, T / hop); T and the lengths (B,) are multiples of `hop`."""
        mask = length_mask(lengths, mel.shape[1])
        x = instance_normalize(mel, mask) if self.config.instance_norm else mel
        out = mask[:, :: self.config.hop]
        return self.stack(self.front.reduce(x, mask), out), out
