"""How well a codebook is used."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ctaplib.collective import sum_over_ranks


def usage_pct(counts: Tensor) -> Tensor:
    """Compute the share of the codes that occurred at least once, in percent; (..., codes) to (...)."""
    return 100.0 * (counts > 0).double().mean(-1)


def perplexity(counts: Tensor) -> Tensor:
    """Compute the exponential of the entropy of the frequencies, from 1 to the number of codes; (..., codes) to (...)."""
    share = counts.double() / counts.sum(-1, keepdim=True)
    return torch.exp(torch.special.entr(share).sum(-1))


@dataclass(frozen=True)
class CodebookUse:
    """Number of frames of every code."""

    counts: Tensor
    """(codes,) int64."""

    @property
    def frames(self) -> int:
        """Number of frames counted."""
        return int(self.counts.sum())

    @property
    def usage_pct(self) -> float:
        """Share of the codes that occurred, in percent."""
        return float(usage_pct(self.counts))

    @property
    def perplexity(self) -> float:
        """Perplexity of the frequencies; 0 without frames."""
        return float(perplexity(self.counts)) if self.frames else 0.0

    def metrics(self) -> dict[str, float]:
        """Return both under the names used in results."""
        return {"codebook_usage_pct": self.usage_pct, "perplexity": self.perplexity}


class UsageMeter:
    """Counts of the codes of a codebook over a set; padding (negative codes) is not counted."""

    def __init__(self, size: int) -> None:
        self.counts = torch.zeros(size, dtype=torch.int64)

    def update(self, codes: Tensor) -> None:
        """Count codes of any shape."""
        self.counts += count_codes(codes, len(self.counts)).cpu()

    def use_over_ranks(self, device: torch.device | str = "cpu") -> CodebookUse:
        """Return the counts of all ranks; `device` is one that the process group can send from."""
        return CodebookUse(sum_over_ranks(self.counts.to(device)).cpu())


def count_codes(codes: Tensor, size: int) -> Tensor:
    """Count each code, (size,) int64; negative codes are padding."""
    flat = codes.reshape(-1)
    return torch.bincount(flat[flat >= 0], minlength=size)
