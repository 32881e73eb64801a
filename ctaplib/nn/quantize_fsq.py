"""Finite scalar quantizer: every dimension is rounded to a few levels, and the codebook is their grid.

There is no codebook to learn, no loss and nothing to collapse. Source: Mentzer et al. 2023 (arXiv 2309.15505), section
3.1; CosyVoice 2 (arXiv 2412.10117) and SecoustiCodec (arXiv 2508.02849) use it for speech at 25 Hz.
"""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ctaplib.config import Config
from ctaplib.nn.quantize import Quantizer


class FsqConfig(Config):
    """Settings of the finite scalar quantizer."""

    levels: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(8, 8, 8), min_length=1)
    """Levels of every dimension; the number of codes is their product."""


class FsqQuantizer(Quantizer):
    """Finite scalar quantizer."""

    Config = FsqConfig
    levels: Tensor
    places: Tensor

    def __init__(self, config: FsqConfig, input_dim: int) -> None:
        super().__init__(input_dim, len(config.levels), (math.prod(config.levels),))
        self.config = config
        levels = torch.tensor(config.levels)
        places = torch.cat([torch.ones(1, dtype=torch.int64), levels.cumprod(0)[:-1]])
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("places", places, persistent=False)

    def prepare(self, projected: Tensor) -> Tensor:
        # Bounded so that rounding gives the levels, about within (-1, 1). Even numbers of levels are shifted by half a
        # level, as in the paper's equation for f.
        half = ((self.levels - 1).to(projected) * (1 - 1e-3) / 2).clamp_min(0.5 + 1e-3)
        shift = torch.where(self.levels % 2 == 0, 0.5, 0.0).to(projected)
        return (torch.tanh(projected + torch.atanh(shift / half)) * half - shift) / (self.levels // 2)

    def search(self, latent: Tensor) -> Tensor:
        digits = torch.round(latent * (self.levels // 2)).to(torch.int64) + self.levels // 2
        return (digits.clamp_min(0).minimum(self.levels - 1) * self.places).sum(1)

    def vectors(self, codes: Tensor) -> Tensor:
        digits = codes[:, None] // self.places % self.levels
        return ((digits - self.levels // 2) / (self.levels // 2)).to(self._dtype)


QUANTIZER = FsqQuantizer
