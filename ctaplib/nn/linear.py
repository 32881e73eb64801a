"""Linear layers whose large float32 products on the CPU are computed by oneDNN.

torch computes them by MKL, which is slow on processors of other makers than Intel: on an AMD EPYC a training step of the
speech encoder takes 0.67 of its time with oneDNN (`tests/bench/bench_train_step.py`). On an Intel Xeon with AMX it takes 1.2
of its time. Products in bfloat16 torch computes by oneDNN itself.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

LEAST = 1 << 22
"""Multiplications from which oneDNN is used (our choice: 256 features to as many over 64 frames)."""
STEPS = 16
"""Number of row counts used per octave; inputs with other counts are padded to the next."""


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Compute `torch.nn.functional.linear`, rounded in another order where oneDNN is used; once differentiable."""
    if not _by_onednn(x, weight, bias):
        return F.linear(x, weight, bias)
    return _Product.apply(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], -1)


def _by_onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> bool:
    if x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32 or x.dim() < 2 or weight.dim() != 2:
        return False
    if x.shape[-1] != weight.shape[1] or (bias is not None and (bias.dtype != x.dtype or len(bias) != len(weight))):
        return False  # torch reports what is wrong
    if x.numel() * len(weight) < LEAST or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    return bool(torch.backends.mkldnn.enabled) and torch.backends.mkldnn.is_available()


class _Product(torch.autograd.Function):
    """Product by oneDNN that saves the dense input alone; torch's own autograd of it would save a packed copy as well."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return F.linear(_packed(x), weight, bias).to_dense()[: len(x)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = None, None, None
        packed = _packed(grad)
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.mkldnn_linear_backward_input((len(packed), x.shape[1]), packed, weight).to_dense()[: len(x)]
        if any(ctx.needs_input_grad[1:]):
            both = torch.ops.aten.mkldnn_linear_backward_weights(packed, _packed(x), weight, ctx.has_bias)
            of_weight, of_bias = (None if t is None else t.to_dense() for t in both)
        return of_x, of_weight, of_bias if ctx.has_bias else None


def _packed(x: torch.Tensor) -> torch.Tensor:
    """Convert rows (rows, D) to oneDNN's layout, padded with rows of zeros to one of a few numbers of rows.

    oneDNN compiles and keeps a kernel for every number of rows, and compiling takes longer than the product.
    """
    step = max(STEPS, (1 << len(x).bit_length() - 1) // STEPS)
    full = -(-len(x) // step) * step
    if full == len(x):
        return x.contiguous().to_mkldnn()
    filled = x.new_empty(full, x.shape[1])
    filled[: len(x)], filled[len(x) :] = x, 0.0
    return filled.to_mkldnn()


class Linear(nn.Linear):
    """`torch.nn.Linear` computed by `linear`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) -> (..., outputs)."""
        return linear(x, self.weight, self.bias)
