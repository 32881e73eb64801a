"""Residual quantiser: several books in a row, each quantising what the one before it left.

A frame has one number, whose digits are the codes of the books, the first book the lowest digit, so that
the slot sees one book of all combinations. Source: Zeghidour et al. 2021 (SoundStream, arXiv 2107.03312),
section III-C. Books follow by moving averages as in `quantize_ema`.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ctaplib.nn.quantize import Quantizer
from ctaplib.nn.quantize_ema import EmaConfig, EmaQuantizer


class ResidualConfig(EmaConfig):
    """Settings of the residual quantiser; `codebook_size` is that of each book."""

    books: int = Field(default=2, ge=1)
    """Number of books."""

    @model_validator(mode="after")
    def _fits(self) -> ResidualConfig:
        if self.codebook_size**self.books >= 2**62:
            raise ValueError(f"{self.books} books of {self.codebook_size} codes do not fit a 64-bit number")
        return self


class ResidualQuantizer(Quantizer):
    """Residual vector quantiser.

    Args:
        config: its settings.
        input_dim: width of the frames that come in.
    """

    Config = ResidualConfig

    def __init__(self, config: ResidualConfig, input_dim: int) -> None:
        super().__init__(input_dim, config.code_dim, (config.codebook_size,) * config.books)
        self.config = config
        inner = config.model_copy(update={"code_dim": None})
        self.stages = nn.ModuleList(EmaQuantizer(inner, self.code_dim) for _ in range(config.books))

    def split(self, codes: Tensor) -> Tensor:
        """Split codes into those of every book: (...) to (..., books); padding stays -1."""
        size = self.config.codebook_size
        digits = torch.stack([codes // size**book % size for book in range(self.config.books)], dim=-1)
        return torch.where(codes[..., None] < 0, codes[..., None], digits)

    def search(self, latent: Tensor) -> Tensor:
        """Quantise book after book: (rows, code_dim) to (rows,)."""
        return self._walk(latent)[0]

    def _walk(self, latent: Tensor, note: bool = False) -> tuple[Tensor, list[Tensor]]:
        codes = torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
        residual, chosen = latent, []
        for book, stage in enumerate(self._stages()):
            own = stage.search(residual)
            if note:
                stage.note(residual, own)
            chosen.append(own)
            residual = residual - stage.vectors(own)
            codes = codes + own * self.config.codebook_size**book
        return codes, chosen

    def _stages(self) -> list[EmaQuantizer]:
        return [stage for stage in self.stages if isinstance(stage, EmaQuantizer)]

    def vectors(self, codes: Tensor) -> Tensor:
        """Add the vectors of all books: (rows,) to (rows, code_dim)."""
        digits = self.split(codes)
        parts = [stage.vectors(digits[:, book]) for book, stage in enumerate(self._stages())]
        return torch.stack(parts).sum(0)

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        """Give beta times the mean squared distance to the sum of codes: (rows,)."""
        return self.config.commitment * (latent - vectors.detach()).square().mean(1)

    def note(self, latent: Tensor, codes: Tensor) -> None:
        """Let every book note its residuals, and count the codes of each."""
        chosen = self._walk(latent, note=True)[1]
        size = self.config.codebook_size
        self.pending_counts += torch.cat([torch.bincount(own, minlength=size) for own in chosen])

    def move(self, step: int, counts: Tensor) -> None:
        """Move every book; at the first step each is placed on what the books placed before it leave."""
        first = not bool(self._stages()[0].placed)
        left = self._stages()[0].noted()
        for stage in self._stages():
            if first:
                stage.renote(left)
            stage.after_step(step)
            if first:
                left = left - stage.vectors(stage.search(left))


QUANTIZER = ResidualQuantizer
