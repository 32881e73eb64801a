"""A loss before it is divided: a sum over items and their number."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Term:
    """One term of a loss on one process and micro batch.

    Attributes:
        total: Scalar, the sum over items; carries the gradient.
        count: Number of items in the sum. The trainer divides once, over all processes.
    """

    total: torch.Tensor
    count: torch.Tensor | float

    @property
    def mean(self) -> torch.Tensor:
        """The sum divided by its own count (1 where nothing was counted)."""
        return self.total / max(float(self.count), 1.0)
