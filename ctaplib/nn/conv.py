"""Convolutions over time on (B, T, D) tensors, independent of padding."""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.linear import Linear, linear


class MaskedConv(nn.Module):
    """Convolution with zeros outside the mask and at the ends.

    The kernel is odd for stride 1, and even for stride 2, which halves the frame rate and allows for no dilation.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.stride, self.kernel, self.dilation = stride, kernel, dilation
        self.padding = dilation * (kernel - 1) // 2 if stride == 1 else (kernel - stride) // 2
        start = nn.Conv1d(inputs, outputs, kernel)
        self.weight = nn.Parameter(start.weight.detach().transpose(1, 2).contiguous())  # (outputs, kernel, inputs)
        self.bias = nn.Parameter(start.bias.detach())  # type: ignore[union-attr]  # the stub allows for bias=False

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T, inputs), (B, T) -> (B, T / stride, outputs)."""
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        if x.device.type == "cpu":
            return self._one_product(x)
        y = F.conv1d(x.transpose(1, 2), self.weight.transpose(1, 2), self.bias, self.stride, self.padding, self.dilation)
        return y.transpose(1, 2)

    def _one_product(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the same as one matrix product over windows side by side, which is faster on the CPU."""
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        x = F.pad(x, (0, 0, self.padding, self.padding))
        starts = range(0, self.dilation * self.kernel, self.dilation)
        last = x.shape[1] - starts[-1]
        windows = torch.cat([x[:, i : i + last : self.stride] for i in starts], -1)
        return linear(windows, self.weight.flatten(1), self.bias)


class ConvFeedForward(nn.Module):
    """Convolution, ReLU and a linear layer.

    Source: Ren et al. 2019, FastSpeech (arXiv 1905.09263), section 3.1: the feed-forward part of its block.
    """

    def __init__(self, width: int, hidden: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.wide = MaskedConv(width, hidden, kernel, dilation=dilation)
        self.narrow = Linear(hidden, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, D), (B, T) -> (B, T, D)."""
        return self.narrow(F.relu(self.wide(x, mask)))
