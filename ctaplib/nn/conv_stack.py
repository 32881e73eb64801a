"""Residual stack of plain convolutions over frames: fast where dense convolutions are (most processors)."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class ConvBlock(nn.Module):
    """Residual block: layer norm, dilated convolution, GELU, convolution; padding stays zero."""

    def __init__(self, channels: int, dilation: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(scale)

    def forward(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """(B, C, T), mask as weights (B, 1, T) -> (B, C, T): the layout of `torch.nn.Conv1d`."""
        y = self.norm(x.transpose(1, 2)).transpose(1, 2) * weight
        y = F.gelu(self.first(y)) * weight
        return x + self.second(y) * weight


class ConvStack(nn.Module):
    """Convolutions over frames: (B, T, inputs) to (B, T, outputs)."""

    def __init__(self, inputs: int, channels: int, outputs: int, blocks: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = nn.Conv1d(inputs, channels, 5, padding=2)
        self.blocks = nn.ModuleList(
            ConvBlock(channels, dilations[i % len(dilations)], 1.0 / math.sqrt(blocks)) for i in range(blocks)
        )
        self.norm = nn.LayerNorm(channels)
        self.leave = nn.Conv1d(channels, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, inputs), (B, T) bool -> (B, T, outputs)."""
        weight = mask[:, None].to(x.dtype)
        x = self.enter(x.transpose(1, 2) * weight) * weight
        for block in self.blocks:
            x = block(x, weight)
        return self.leave(F.gelu(self.norm(x.transpose(1, 2))).transpose(1, 2) * weight).transpose(1, 2)
