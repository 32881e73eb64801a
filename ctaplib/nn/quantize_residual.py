"""Residual quantizer: several codebooks in a row, each quantizes the residual of the one before.

A frame has one code, whose digits are the codes of the codebooks, the first codebook the lowest digit, so that models see
one codebook of all combinations. Source: Zeghidour et al. 2021 (SoundStream, arXiv 2107.03312), section III-C. Codebooks
follow moving averages as in `quantize_ema`.
"""

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ctaplib.nn.quantize import Quantizer
from ctaplib.nn.quantize_ema import EmaConfig, EmaQuantizer


class ResidualConfig(EmaConfig):
    """Settings of the residual quantizer; `codebook_size` is that of each codebook."""

    books: int = Field(default=2, ge=1)
    """Number of codebooks."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.codebook_size**self.books >= 2**62:
            raise ValueError(f"{self.books} codebooks of {self.codebook_size} codes do not fit a 64-bit number")
        return self


class ResidualQuantizer(Quantizer):
    """Residual vector quantizer."""

    Config = ResidualConfig

    def __init__(self, config: ResidualConfig, input_dim: int) -> None:
        super().__init__(input_dim, config.code_dim, (config.codebook_size,) * config.books)
        self.config = config
        inner = config.model_copy(update={"code_dim": None})
        self.stages = nn.ModuleList(EmaQuantizer(inner, self.code_dim) for _ in range(config.books))

    def split(self, codes: Tensor) -> Tensor:
        """Split codes into those of every codebook: (...) to (..., books); padding stays -1."""
        size = self.config.codebook_size
        digits = torch.stack([codes // size**book % size for book in range(self.config.books)], dim=-1)
        return torch.where(codes[..., None] < 0, codes[..., None], digits)

    def search(self, latent: Tensor) -> Tensor:
        codes = torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
        for book, stage in enumerate(self._stages()):
            own = stage.search(latent)
            latent = latent - stage.vectors(own)
            codes = codes + own * self.config.codebook_size**book
        return codes

    def _stages(self) -> list[EmaQuantizer]:
        return [stage for stage in self.stages if isinstance(stage, EmaQuantizer)]

    def vectors(self, codes: Tensor) -> Tensor:
        parts = [stage.vectors(own) for stage, own in zip(self._stages(), self.split(codes).unbind(1))]
        return torch.stack(parts).sum(0)

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        return self.config.commitment * (latent - vectors.detach()).square().mean(1)

    def record(self, latent: Tensor, codes: Tensor) -> None:
        for stage, own in zip(self._stages(), self.split(codes).unbind(1)):
            stage.record(latent, own)
            latent = latent - stage.vectors(own)
        self.pending_counts.copy_(torch.cat([stage.pending_counts for stage in self._stages()]))

    def update(self, step: int, counts: Tensor) -> None:
        first = not bool(self._stages()[0].placed)
        left = self._stages()[0].candidates()
        for stage in self._stages():
            if first:  # each codebook is initialised on the residuals of those before it
                stage.replace_candidates(left)
            stage.after_step(step)
            if first:
                left = left - stage.vectors(stage.search(left))


QUANTIZER = ResidualQuantizer
