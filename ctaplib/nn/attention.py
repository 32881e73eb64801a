"""Self-attention with rotary positions, independent of padding."""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.linear import Linear
from ctaplib.tensors import at_least_float32

Rotation = tuple[torch.Tensor, torch.Tensor]
"""Cosines and signed sines of the angles, (T, D) float32 each; see `rotation_of`."""


def rotation_of(time: int, width: int, device: torch.device) -> Rotation:
    """Compute the angles by which pairs of features are rotated; they are the same for all heads and layers.

    The width D of a head is even; features i and i + D / 2 are a pair.

    Source: Su et al. 2021, RoFormer (arXiv 2104.09864), eq. 34. The sines of the first half carry the equation's minus.
    """
    speeds = 10000.0 ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(time, device=device, dtype=torch.float32)[:, None] * speeds
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


def rotate(x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Rotate the pairs of features of (..., T, D): eq. 34, where `roll` gives the other feature of each pair."""
    cos, sin = (part.to(x.dtype) for part in rotation)
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


SHORT_FRAMES = 300
"""Up to this length, attention on the CPU is faster with the whole matrix than with the fused kernel."""


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, dropout: float) -> torch.Tensor:
    """Compute softmax attention of (B, H, T, D) tensors over the keys in the mask (B, 1, 1, T)."""
    if q.device.type != "cpu" or q.shape[-2] > SHORT_FRAMES:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights = at_least_float32(scores.masked_fill(~mask, torch.finfo(scores.dtype).min)).softmax(-1).to(v.dtype)
    return F.dropout(weights, dropout) @ v


class SelfAttention(nn.Module):
    """Multi-head self-attention over time; the number of heads divides the width. Dropout is that of the weights."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inward = Linear(width, 3 * width)
        self.outward = Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        """Map features (B, T, D) to (B, T, D), over keys in the mask (B, T); `rotation` is for heads of width D / heads."""
        batch, time, width = x.shape
        parts = self.inward(x).view(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).contiguous()
        both, v = parts.split([2, 1])
        q, k = rotate(both, rotation)
        out = attend(q, k, v[0], mask[:, None, None, :], self.dropout if self.training else 0.0)
        return self.outward(out.transpose(1, 2).reshape(batch, time, width))
