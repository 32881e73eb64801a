"""The quantiser slot: what every quantiser takes and gives, and how one is built from its name.

A quantiser turns continuous frames into codes of one code book. `forward` changes nothing that is saved: in
training it only notes which vectors fell to which codes, and `after_step` moves the code book from these
notes, added up over all ranks. A new quantiser is a new module `ctaplib/nn/quantize_<name>.py` that defines
`QUANTIZER`.
"""

import abc
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

PADDING_CODE = -1
_repeating: list[bool] = []


@contextmanager
def repeating(on: bool = True) -> Iterator[None]:
    """Within, a forward pass repeats one of the same step: quantizers do not count its frames once more."""
    _repeating.append(on)
    try:
        yield
    finally:
        _repeating.pop()


@dataclass(frozen=True)
class Quantized:
    """What a quantiser makes of a batch.

    Attributes:
        quantized: (batch, time, input_dim), float32; the gradient passes straight through to the input.
            Zero at padding.
        codes: (batch, time) int64; -1 at padding.
        loss_total: scalar, the quantiser's own loss added up over valid frames.
        loss_count: scalar, number of valid frames.
        latent: (batch, time, code_dim), what was compared with the codes, with gradient. Zero at padding.
    """

    quantized: Tensor
    codes: Tensor
    loss_total: Tensor
    loss_count: Tensor
    latent: Tensor


class CodebookConfig(Config):
    """What quantisers with a learned code book share."""

    codebook_size: int = Field(default=512, ge=2)
    """Number of codes."""
    code_dim: int | None = Field(default=16, ge=1)
    """Width in which codes are compared; a linear layer leads in and another out. None: the width of the
    input, and no such layers. A low width keeps more codes alive (our choice)."""
    commitment: float = Field(default=0.25, ge=0.0)
    """Weight of the term that draws the encoder to its code, beta of van den Oord et al. 2017, Eq. 3."""


class Quantizer(nn.Module, abc.ABC):
    """Base of all quantisers: masks, projections, precision, straight-through gradient and counters.

    Args:
        input_dim: width of the frames that come in.
        code_dim: width in which codes are compared; None for `input_dim` without projections.
        book_sizes: number of codes of every book that is counted (one but for residual quantisers).
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
        """Number of different codes that `forward` can give."""
        size = 1
        for book in self.book_sizes:
            size *= book
        return size

    def prepare(self, projected: Tensor) -> Tensor:
        """Bring projected frames (rows, code_dim) to where codes are compared; as they are by default."""
        return projected

    @abc.abstractmethod
    def search(self, latent: Tensor) -> Tensor:
        """Find the code of every latent vector: (rows, code_dim) to (rows,) int64."""

    @abc.abstractmethod
    def vectors(self, codes: Tensor) -> Tensor:
        """Give the vectors of codes: (rows,) to (rows, code_dim)."""

    def frame_loss(self, latent: Tensor, vectors: Tensor) -> Tensor:
        """Give the quantiser's own loss of every frame, (rows,); zero unless overridden."""
        return latent.new_zeros(len(latent))

    def note(self, latent: Tensor, codes: Tensor) -> None:
        """Keep what `after_step` needs, outside the saved state; called in training, without gradient."""
        self.pending_counts += count_codes(codes, self.codebook_size)

    def move(self, step: int, counts: Tensor) -> None:
        """Move the code book; `counts` are those of all ranks since the last call. Nothing by default."""

    @property
    def _dtype(self) -> torch.dtype:
        held = [*self.parameters(), *self.buffers()]
        return next((each.dtype for each in held if each.is_floating_point()), torch.float32)

    def forward(self, z: Tensor, mask: Tensor) -> Quantized:
        """Quantise frames, in float32 even under autocast.

        Args:
            z: (batch, time, input_dim).
            mask: (batch, time) bool, True where valid.

        Returns:
            The quantised frames, their codes and the loss.
        """
        with full_precision(z.device):
            latent = self.prepare(self.project_in(_gather(z, mask).to(self._dtype)))
            codes = self.search(latent.detach())
            vectors = self.vectors(codes)
            if self.training and torch.is_grad_enabled() and not any(_repeating):
                self.note(latent.detach(), codes)
            outward = self.project_out(_StraightThrough.apply(latent, vectors.detach()))
            total = self.frame_loss(latent, vectors).sum()
        return Quantized(
            quantized=_scatter(outward, mask),
            codes=_scatter(codes, mask, PADDING_CODE),
            loss_total=total,
            loss_count=mask.sum(),
            latent=_scatter(latent, mask),
        )

    @torch.no_grad()
    def nearest(self, z: Tensor) -> Tensor:
        """Find the code of every frame: (..., input_dim) to (...) int64."""
        with full_precision(z.device):
            flat = z.reshape(-1, self.input_dim).to(self._dtype)
            return self.search(self.prepare(self.project_in(flat))).reshape(z.shape[:-1])

    def lookup(self, codes: Tensor) -> Tensor:
        """Give the quantised frames of codes: (...) int64 to (..., input_dim); padding (-1) becomes zero.

        Raises:
            ConfigError: a code is not of this book.
        """
        if codes.numel() and int(codes.max()) >= self.codebook_size:
            raise ConfigError(
                f"code {int(codes.max())} is not in a book of {self.codebook_size} codes",
                expected=f"codes from 0 to {self.codebook_size - 1}, or -1 for padding",
                fix="use the codes with the model that made them",
            )
        mask = codes >= 0
        with full_precision(codes.device):
            return _scatter(self.project_out(self.vectors(codes[mask])), mask)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the code book by what was noted since the last call, added up over ranks, and count its use.

        Every rank must call it, after the optimiser's step.

        Args:
            step: number of the training step; keys every random draw.
        """
        counts = sum_over_ranks(self.pending_counts).clone()
        self.epoch_counts += counts
        self.move(step, counts)
        self.pending_counts.zero_()

    def discard_pending(self) -> None:
        """Drop what was noted since the last `after_step`, as after a trial that is no step."""
        self.pending_counts.zero_()

    def use(self) -> tuple[CodebookUse, ...]:
        """Give the use of every book since `reset_use`, over all ranks; one book unless residual."""
        parts = self.epoch_counts.cpu().split(list(self.book_sizes))
        return tuple(CodebookUse(part.clone()) for part in parts)

    def reset_use(self) -> None:
        """Start counting anew, at the start of an epoch."""
        self.epoch_counts.zero_()


QUANTIZERS = Choices("nn", "quantize_", "QUANTIZER", "quantizer")


class QuantizerSlot(Slot):
    """Name and options of a quantizer."""

    CHOICES = QUANTIZERS
    name: str = "normalized"
    """Name of the quantizer: the module `ctaplib/nn/quantize_<name>.py`."""


class _StraightThrough(torch.autograd.Function):
    """Give the vectors, pass their gradient to the latent: van den Oord et al. 2017, section 3.2."""

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
