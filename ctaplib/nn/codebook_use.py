"""How well a code book is used, and the alarm that stops a collapsed run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ctaplib.collective import sum_over_ranks
from ctaplib.errors import CollapseError


def usage_pct(counts: Tensor) -> Tensor:
    """Compute the share of the codes that occurred, in percent; (..., codes) to (...)."""
    return 100.0 * (counts > 0).double().mean(-1)


def perplexity(counts: Tensor) -> Tensor:
    """Compute the exponential of the entropy of the frequencies; (..., codes) to (...)."""
    share = counts.double() / counts.sum(-1, keepdim=True)
    return torch.exp(torch.special.entr(share).sum(-1))


@dataclass(frozen=True)
class CodebookUse:
    """Frames that fell to every code.

    Attributes:
        counts: (codes,) int64.
    """

    counts: Tensor

    @property
    def frames(self) -> int:
        """Number of frames counted."""
        return int(self.counts.sum())

    @property
    def usage_pct(self) -> float:
        """Share of the codes that occurred at least once, in percent."""
        return float(usage_pct(self.counts))

    @property
    def perplexity(self) -> float:
        """Exponential of the entropy of the frequencies, from 1 to the book's size; 0 without frames."""
        return float(perplexity(self.counts)) if self.frames else 0.0

    def metrics(self) -> dict[str, float]:
        """Give the figures under the names used in results: codebook_usage_pct and perplexity."""
        return {"codebook_usage_pct": self.usage_pct, "perplexity": self.perplexity}


class UsageMeter:
    """Counts codes over a set, for reports; padding (negative codes) is left out.

    Args:
        size: number of codes of the book.
    """

    def __init__(self, size: int) -> None:
        self.counts = torch.zeros(size, dtype=torch.int64)

    def update(self, codes: Tensor) -> None:
        """Count codes of any shape."""
        self.counts += count_codes(codes, len(self.counts)).cpu()

    def use(self) -> CodebookUse:
        """Give the use counted so far on this process."""
        return CodebookUse(self.counts.clone())

    def use_over_ranks(self, device: torch.device | str = "cpu") -> CodebookUse:
        """Give the use counted so far on all ranks; `device` is one that the process group can send from."""
        return CodebookUse(sum_over_ranks(self.counts.to(device)).cpu())


def count_codes(codes: Tensor, size: int) -> Tensor:
    """Count each code; negative codes are padding.

    Returns:
        (size,) int64 on the device of `codes`.
    """
    flat = codes.reshape(-1)
    return torch.bincount(flat[flat >= 0], minlength=size)


def check_collapse(
    use: CodebookUse,
    *,
    step: int,
    min_usage_pct: float = 5.0,
    min_perplexity_pct: float = 1.0,
    what: str = "code book",
) -> None:
    """Stop a run whose code book has collapsed.

    Args:
        use: counts over an epoch or a validation set. A book with more codes than frames is measured
            against the number of frames.
        step: training step, for the message.
        min_usage_pct: least share of the codes that must occur, percent.
        min_perplexity_pct: least perplexity, percent of the size of the book.
        what: name of the book, for the message.

    Raises:
        CollapseError: if either is below its limit, with what to change.
    """
    if use.frames == 0:
        return
    reachable = min(len(use.counts), use.frames)
    scale = len(use.counts) / reachable
    usage_pct = use.usage_pct * scale
    perplexity_pct = 100.0 * use.perplexity / reachable
    if usage_pct >= min_usage_pct and perplexity_pct >= min_perplexity_pct:
        return
    raise CollapseError(
        f"the {what} has collapsed at step {step}: {use.usage_pct:.1f} % of {len(use.counts)} codes are "
        f"used, perplexity {use.perplexity:.1f} over {use.frames} frames",
        expected=f"at least {min_usage_pct:g} % of the codes used and a perplexity of at least "
        f"{min_perplexity_pct:g} % of the size",
        fix="lower the learning rate or the weight of the vq term, raise restart_threshold or lower "
        "restart_every_steps, take a smaller code_dim, or another quantizer (fsq has no book to lose, "
        "normalized keeps more codes alive than ema)",
    )
