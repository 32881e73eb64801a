"""The quantizer slot: the base class of all quantizers, and how a config names one.

A quantizer turns continuous frames into codes of one codebook. `forward` changes nothing that is saved: in training it
only records which vectors were assigned to which codes, and `after_step` updates the codebook from these records, summed
over all ranks. A quantizer is a module `ctaplib/nn/quantize_<name>.py` that defines `QUANTIZER`.
"""

import abc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ctaplib.collective import sum_over_ranks
from ctaplib.config import Config
from ctaplib.errors import ConfigError
from ctaplib.nn.codebook import full_precision
from ctaplib.nn.codebook_use import CodebookUse, count_codes
from ctaplib.nn.linear import Linear
from ctaplib.slots import Choices, Slot

_repeating: list[bool] = []


@contextmanager
def repeating(on: bool = True) -> Iterator[None]:
    """Mark the forward passes inside as recomputed: quantizers do not record their frames a second time."""
    _repeating.append(on)
    try:
        yield
    finally:
        _repeating.pop()


@dataclass(frozen=True)
class Quantized:
    """Output of a quantizer."""

    quantized: Tensor
    """(batch, time, input_dim), float32, zero at padding; the gradient passes straight through to the input."""
    codes: Tensor
    """(batch, time) int64, -1 at padding."""
    loss_total: Tensor
    """Scalar, sum of the quantizer's own loss over valid frames."""
    loss_count: Tensor
    """Scalar, number of valid frames."""
    latent: Tensor
    """(batch, time, code_dim), the vectors compared with the codes, with gradient; zero at padding."""


class CodebookConfig(Config):
    """Settings of all quantizers with a learned codebook."""

    codebook_size: int = Field(default=512, ge=2)
    """Number of codes."""
    code_dim: int | None = Field(default=16, ge=1)
    """Width in which codes are compared; linear layers project to it and back. None: the width of the input, without
    projections. A low width keeps more codes in use (our choice)."""
    commitment: float = Field(default=0.25, ge=0.0)
    """Weight of the commitment term, beta of van den Oord et al. 2017, Eq. 3."""


class Quantizer(nn.Module, abc.ABC):
    """Base of all quantizers: masks, projections, precision, straight-through gradient and counters.

    Args:
        input_dim: Width of the input.
        code_dim: Width in which codes are compared; None for `input_dim` without projections.
        book_sizes: Number of codes of every codebook; several only in residual quantizers.
    """

    Config: ClassVar[type[Config]]
    epoch_counts: Tensor
    pending_counts: Tensor

    def __init__(self, input_dim: int, code_dim: int | None, book_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.input_dim = input_dim
        self.code_dim = input_dim if code_dim is None else code_dim
        self.book_sizes = book_sizes
        same = code_dim is None
        self.project_in: nn.Module = nn.Identity() if same else Linear(input_dim, self.code_dim)
        self.project_out: nn.Module = nn.Identity() if same else Linear(self.code_dim, input_dim)
        counts = torch.zeros(sum(book_sizes), dtype=torch.int64)
        self.register_buffer("epoch_counts", counts)
        self.register_buffer("pending_counts", counts.clone(), persistent=False)

    @property
    def codebook_size(self) -> int:
        """Number of different codes that `forward` can return."""
        return math.prod(self.book_sizes)

    def prepare(self, projected: Tensor) -> Tensor:
        """Map projected frames (rows, code_dim) to the space of the codes; the identity by default."""
        return projected

    @abc.abstractmethod
    def search(self, latent: Tensor) -> Tensor:
        """Return the code of every latent vector: (rows, code_dim) to (rows,) int64."""

    @abc.abstractmethod
    def vectors(self, codes: Tensor) -> Tensor:
        """Return the vectors of codes: (rows,) to (rows, code_dim)."""

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        """Compute the quantizer's own loss of every frame, (rows,); zero by default."""
        return latent.new_zeros(len(latent))

    def record(self, latent: Tensor, codes: Tensor) -> None:
        """Keep what `after_step` needs, outside the saved state; called in training, without gradient."""
        self.pending_counts += count_codes(codes, self.codebook_size)

    def update(self, step: int, counts: Tensor) -> None:
        """Update the codebook; `counts` are those of all ranks since the last call. Does nothing by default."""

    @property
    def _dtype(self) -> torch.dtype:
        tensors = [*self.parameters(), *self.buffers()]
        return next((each.dtype for each in tensors if each.is_floating_point()), torch.float32)

    def forward(self, z: Tensor, mask: Tensor) -> Quantized:
        """Quantize frames (batch, time, input_dim) with a mask (batch, time) bool, in float32 even under autocast."""
        with full_precision(z.device):
            latent = self.prepare(self.project_in(_gather(z, mask).to(self._dtype)))
            codes = self.search(latent.detach())
            vectors = self.vectors(codes)
            if self.training and torch.is_grad_enabled() and not any(_repeating):
                self.record(latent.detach(), codes)
            outward = self.project_out(_StraightThrough.apply(latent, vectors.detach()))
            total = self.frame_loss(latent, vectors).sum()
        return Quantized(
            quantized=_scatter(outward, mask),
            codes=_scatter(codes, mask, -1),
            loss_total=total,
            loss_count=mask.sum(),
            latent=_scatter(latent, mask),
        )

    @torch.no_grad()
    def nearest(self, z: Tensor) -> Tensor:
        """Return the code of every frame: (..., input_dim) to (...) int64."""
        with full_precision(z.device):
            flat = z.reshape(-1, self.input_dim).to(self._dtype)
            return self.search(self.prepare(self.project_in(flat))).reshape(z.shape[:-1])

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the quantized frames of codes: (...) int64 to (..., input_dim); padding (-1) becomes zero.

        Raises:
            ConfigError: A code is not in this codebook.
        """
        if codes.numel() and int(codes.max()) >= self.codebook_size:
            raise ConfigError(
                f"code {int(codes.max())} is not in a codebook of {self.codebook_size} codes",
                expected=f"codes from 0 to {self.codebook_size - 1}, or -1 for padding",
                fix="use the codes with the model that made them",
            )
        mask = codes >= 0
        with full_precision(codes.device):
            return _scatter(self.project_out(self.vectors(codes[mask])), mask)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Update the codebook from what was recorded since the last call, summed over ranks, and count its use.

        Every rank must call it, after the optimizer's step, whose number seeds every random draw.
        """
        counts = sum_over_ranks(self.pending_counts).clone()
        self.epoch_counts += counts
        self.update(step, counts)
        self.pending_counts.zero_()

    def discard_pending(self) -> None:
        """Discard what was recorded since the last `after_step`, for a step that was skipped."""
        self.pending_counts.zero_()

    def use(self) -> tuple[CodebookUse, ...]:
        """Return the use of every codebook since `reset_use`, over all ranks; several only if residual."""
        parts = self.epoch_counts.cpu().split(list(self.book_sizes))
        return tuple(CodebookUse(part.clone()) for part in parts)

    def reset_use(self) -> None:
        """Reset the counts of `use`."""
        self.epoch_counts.zero_()


class QuantizerSlot(Slot):
    """Name and options of a quantizer."""

    CHOICES = Choices("nn", "quantize_", "QUANTIZER", "quantizer")
    name: str = "normalized"
    """Name of the quantizer: the module `ctaplib/nn/quantize_<name>.py`."""


class _StraightThrough(torch.autograd.Function):
    """Return the vectors, pass their gradient to the latent: van den Oord et al. 2017, section 3.2."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, vectors: Tensor) -> Tensor:
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def _gather(full: Tensor, mask: Tensor) -> Tensor:
    return full.reshape(-1, full.shape[-1]) if bool(mask.all()) else full[mask]


def _scatter(rows: Tensor, mask: Tensor, fill: float = 0) -> Tensor:
    if len(rows) == mask.numel():
        return rows.reshape(*mask.shape, *rows.shape[1:])
    full = rows.new_full((*mask.shape, *rows.shape[1:]), fill)
    full[mask] = rows
    return full
