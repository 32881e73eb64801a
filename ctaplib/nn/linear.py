"""Linear layers by the fastest product that a processor has."""

import torch
import torch.nn.functional as F
from torch import nn

LEAST = 1 << 22
"""Multiplications from which on a product is worth another kernel (our choice: 256 features to as many over 64 frames)."""


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """The product of `torch.nn.functional.linear`, which float32 on the CPU takes from oneDNN.

    torch takes float32 products from MKL, which leaves half of the speed of processors of other makers unused; bfloat16 it takes
    from oneDNN itself. Sums are rounded in another order.

    Args:
        x: (..., inputs).
        weight: (outputs, inputs).
        bias: (outputs,).

    Returns:
        (..., outputs).
    """
    if not _by_onednn(x, weight):
        return F.linear(x, weight, bias)
    return F.linear(x.contiguous().to_mkldnn(), weight, bias).to_dense()


def _by_onednn(x: torch.Tensor, weight: torch.Tensor) -> bool:
    if x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32 or x.dim() < 2:
        return False
    if x.numel() * weight.shape[0] < LEAST or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    return bool(torch.backends.mkldnn.enabled) and torch.backends.mkldnn.is_available()


class Linear(nn.Linear):
    """`torch.nn.Linear` whose product is that of `linear`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) -> (..., outputs)."""
        return linear(x, self.weight, self.bias)
