"""Prompt encoder: a clip of speech to one global vector of all that is not content: voice, pitch, channel (G).

Source: VQ-CTAP (arXiv 2408.05758), model figure: a VAE whose prompt is a clip of the target speech. Its layers are not
published; strided convolutions and attentive pooling are our choice (the group's later released encoder has six
convolutions and a GRU).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.conv import MaskedConv
from ctaplib.tensors import at_least_float32, length_mask


class PromptEncoderConfig(Config):
    """Sizes of the prompt encoder."""

    width: int = 192
    """Features of the convolutions."""
    output: int = 96
    """Features of the global vector."""


@dataclass(frozen=True)
class Prompt:
    """Gaussian over global vectors: mean and log-variance (B, output), and a sample."""

    mean: torch.Tensor
    log_variance: torch.Tensor
    sample: torch.Tensor


class PromptEncoder(nn.Module):
    """(B, T, n_mels) normalised log-mel -> Prompt."""

    def __init__(self, config: PromptEncoderConfig, n_mels: int) -> None:
        super().__init__()
        width = config.width
        self.convs = nn.ModuleList([MaskedConv(n_mels, width, 6, 2), MaskedConv(width, width, 4, 2), MaskedConv(width, width, 3)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in self.convs])
        self.score = nn.Linear(width, 1)
        self.out = nn.Linear(2 * width, 2 * config.output)

    def forward(self, mel: torch.Tensor, lengths: torch.Tensor, noise: torch.Tensor | None = None) -> Prompt:
        """Encode clips of (B,) frames; the sample is the mean, or drawn with (B, output) standard normal noise."""
        x = F.pad(mel, (0, 0, 0, -mel.shape[1] % 4))  # the strides divide by 4
        mask = length_mask(lengths, x.shape[1])
        for conv, norm in zip(self.convs, self.norms):
            x = norm(F.relu(conv(x, mask)))
            mask = mask[:, :: conv.stride]
        scores = at_least_float32(self.score(x)).squeeze(-1).masked_fill(~mask, float("-inf"))
        share = scores.softmax(1).unsqueeze(-1)
        mean = (share * x).sum(1)
        spread = ((share * (x - mean.unsqueeze(1)) ** 2).sum(1) + 1e-4).sqrt()
        mu, log_variance = at_least_float32(self.out(torch.cat([mean, spread], -1))).chunk(2, -1)
        log_variance = log_variance.clamp(-8.0, 4.0)
        sample = mu if noise is None else mu + noise * (0.5 * log_variance).exp()
        return Prompt(mu, log_variance, sample)
