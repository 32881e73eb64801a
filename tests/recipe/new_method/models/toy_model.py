"""The model of the toy method: content from mel and F0 at half the feature rate, a voice from a clip, a decoder, two critics.

The speaker head sees content through a gradient reversal (Ganin and Lempitsky 2015, arXiv 1409.7495). The estimator bounds
the mutual information of content and voice from above (CLUB, Cheng et al. 2020, arXiv 2006.12013).
"""

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.models.abilities import Content, DecoderOutput
from ctaplib.models.decoder import Decoder, DecoderSlot
from ctaplib.models.normalizer import MelNormalizer
from ctaplib.tensors import length_mask


class ToyConfig(Config):
    n_mels: int = 80
    hop: int = 2
    width: int = 16
    voice: int = 8
    decoder: DecoderSlot = DecoderSlot(name="toy")


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return -gradient


class Estimator(nn.Module):
    """A Gaussian over voices, given a content frame."""

    def __init__(self, width: int, voice: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 2 * voice))

    def log_likelihood(self, content: torch.Tensor, voice: torch.Tensor) -> torch.Tensor:
        """(B, T, width), (B, voice) -> (B, T), up to a constant."""
        mean, log_variance = self.layers(content).chunk(2, -1)
        log_variance = log_variance.tanh()
        return -((voice[:, None] - mean) ** 2 / log_variance.exp() + log_variance).sum(-1) / 2


class ToyModel(MelNormalizer):
    uses_f0 = True

    def __init__(self, config: ToyConfig, n_speakers: int) -> None:
        super().__init__(config.n_mels)
        self.hop = config.hop
        self.encoder = nn.Linear(config.hop * (config.n_mels + 1), config.width)
        self.prompt = nn.Linear(config.n_mels, config.voice)
        self.decoder: Decoder = config.decoder.build(config.width, config.voice, config.n_mels, config.hop)
        self.speaker_head = nn.Linear(config.width, n_speakers)
        self.estimator = Estimator(config.width, config.voice)

    def content(self, mel: torch.Tensor, lengths: torch.Tensor, f0_hz: torch.Tensor | None = None) -> Content:
        if f0_hz is None:
            raise ValueError("this model needs F0")
        batch, frames, _ = mel.shape
        pitch = f0_hz.clamp_min(1.0).log()[..., None]
        joined = torch.cat([self.normalize(mel), pitch], -1).view(batch, frames // self.hop, -1)
        mask = length_mask(lengths // self.hop, frames // self.hop)
        return Content(self.encoder(joined) * mask[..., None], mask)

    def voice(self, mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = length_mask(lengths, mel.shape[1])[..., None]
        return self.prompt((self.normalize(mel) * mask).sum(1) / lengths[:, None])

    def speak(self, content: Content, voice: torch.Tensor, keys: tuple[str, ...]) -> DecoderOutput:
        output = self.decoder(content, voice, keys)
        return replace(output, mel=self.restore(output.mel))

    def speakers(self, content: Content) -> torch.Tensor:
        """Logits of the speaker of every content frame, whose gradient is reversed behind them."""
        return self.speaker_head(_Reverse.apply(content.speech))
