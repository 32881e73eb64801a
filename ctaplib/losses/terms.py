"""A loss before it is divided: a sum over items and their number."""

from dataclasses import dataclass
from typing import Self

import torch


@dataclass(frozen=True)
class Term:
    """One term of a loss on one rank and micro-batch."""

    total: torch.Tensor
    """Scalar, the sum over items, with gradient."""
    count: torch.Tensor | float
    """Number of items in the sum. The trainer divides once, over all ranks and micro-batches."""

    @classmethod
    def none(cls, like: torch.Tensor) -> Self:
        """Return a term that counts nothing, with the type and device of a tensor."""
        return cls(like.new_zeros(()), 0.0)

    @property
    def mean(self) -> torch.Tensor:
        """The sum over the count, or over 1 if the count is 0."""
        return self.total / max(float(self.count), 1.0)
