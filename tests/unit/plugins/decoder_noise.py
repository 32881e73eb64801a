"""A decoder that draws noise, for tests: conditional flow matching by one linear layer, solved by Euler's method."""

from collections.abc import Sequence

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.losses.reconstruction import mel_loss
from ctaplib.models.abilities import Content, DecoderOutput
from ctaplib.models.decoder import Decoder, DecoderLoss, DecoderTarget, draw_keys, keyed_noise


class NoiseConfig(Config):
    steps: int = 3


class NoiseDecoder(Decoder):
    Config = NoiseConfig

    def __init__(self, config: NoiseConfig, inputs: int, voice: int, n_mels: int, hop: int) -> None:
        super().__init__()
        self.config, self.hop, self.n_mels = config, hop, n_mels
        self.field = nn.Linear(inputs + voice + n_mels + 1, n_mels)

    def _velocity(self, content: Content, voice: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        frames = content.frames.repeat_interleave(self.hop, 1)
        given = [frames, voice[:, None].expand(-1, x.shape[1], -1), x, t.expand(*x.shape[:2], 1)]
        return self.field(torch.cat(given, -1))

    def _start(self, content: Content, keys: Sequence[str]) -> torch.Tensor:
        return keyed_noise(keys, self.hop * content.mask.shape[1], self.n_mels, content.frames)

    def forward(self, content: Content, voice: torch.Tensor, keys: Sequence[str]) -> DecoderOutput:
        x = self._start(content, keys)
        for step in range(self.config.steps):
            t = x.new_full((len(x), 1, 1), step / self.config.steps)
            x = x + self._velocity(content, voice, x, t) / self.config.steps
        return DecoderOutput(x)

    def loss(self, content: Content, voice: torch.Tensor, target: DecoderTarget, keys: Sequence[str]) -> DecoderLoss:
        noise = self._start(content, keys)
        t = torch.special.ndtr(keyed_noise(draw_keys(keys, "t"), 1, 1, noise))
        velocity = self._velocity(content, voice, (1 - t) * noise + t * target.mel, t)
        return DecoderLoss(mel_loss(velocity, target.mel - noise, target.mask, "mse"))


DECODER = NoiseDecoder
