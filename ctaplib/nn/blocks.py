"""The block of all encoders and decoders, and stacks of it."""

import torch
from pydantic import Field, PositiveInt
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.attention import Rotation, SelfAttention, rotation_of
from ctaplib.nn.conv import ConvFeedForward


class StackConfig(Config):
    """Sizes of a stack of blocks."""

    width: int = Field(256, ge=1)
    """Features of every frame."""
    layers: int = Field(4, ge=0)
    """Number of blocks."""
    hidden: int = Field(768, ge=1)
    """Features inside the feed-forward part."""
    kernel: int = Field(3, ge=1)
    """Kernel of the convolution in the feed-forward part, frames; odd."""
    dilations: tuple[PositiveInt, ...] = Field((1,), min_length=1)
    """Dilation of the convolution in each block; repeated if there are more blocks."""
    heads: int = Field(4, ge=0)
    """Attention heads; 0: no attention."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout of attention weights and of the output of each part."""


class Block(nn.Module):
    """Attention and a convolutional feed-forward part, each on normalised input and with a residual connection.

    With `condition` features, a global vector scales and shifts both normalisations.

    Source: the pre-norm Transformer block; FastSpeech's feed-forward part (arXiv 1905.09263). The layer
    counts and sizes of VQ-CTAP are not published: our choice. So are dilations (as in van den Oord et al. 2016,
    WaveNet, arXiv 1609.03499, section 2.1), which cover short speech as attention does, at no cost.
    """

    def __init__(self, config: StackConfig, condition: int = 0, dilation: int = 1) -> None:
        super().__init__()
        width = config.width
        self.attention = SelfAttention(width, config.heads, config.dropout) if config.heads else None
        self.feed = ConvFeedForward(width, config.hidden, config.kernel, dilation)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(config.dropout)
        self.modulate = nn.Linear(condition, 4 * width) if condition else None
        if self.modulate is not None:
            nn.init.zeros_(self.modulate.weight)
            nn.init.zeros_(self.modulate.bias)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, condition: torch.Tensor | None, rotation: Rotation | None
    ) -> torch.Tensor:
        """(B, T, D), (B, T), (B, C) or None -> (B, T, D); `rotation` for blocks with attention."""
        styles: list[torch.Tensor | None] = [None] * 4
        if self.modulate is not None and condition is not None:
            styles = list(self.modulate(condition).unsqueeze(1).chunk(4, -1))
        if self.attention is not None:
            x = x + self.dropout(self.attention(_modulate(self.norms[0](x), *styles[:2]), mask, rotation))
        return x + self.dropout(self.feed(_modulate(self.norms[1](x), *styles[2:]), mask))


def _modulate(x: torch.Tensor, scale: torch.Tensor | None, shift: torch.Tensor | None) -> torch.Tensor:
    return x if scale is None or shift is None else x * (1 + scale) + shift


class Stack(nn.Module):
    """Blocks in sequence and a final normalisation."""

    def __init__(self, config: StackConfig, condition: int = 0) -> None:
        super().__init__()
        dilations = [config.dilations[i % len(config.dilations)] for i in range(config.layers)]
        self.blocks = nn.ModuleList([Block(config, condition, d) for d in dilations])
        self.norm = nn.LayerNorm(config.width)
        self.head_width = config.width // config.heads if config.heads else 0

    def forward(self, x: torch.Tensor, mask: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T, D), (B, T), (B, C) or None -> (B, T, D)."""
        rotation = rotation_of(x.shape[1], self.head_width, x.device) if self.head_width else None
        for block in self.blocks:
            x = block(x, mask, condition, rotation)
        return self.norm(x)
