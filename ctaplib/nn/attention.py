"""Self-attention with rotary positions, blind to padding."""

import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.linear import Linear
from ctaplib.tensors import widen


def rotary(x: torch.Tensor) -> torch.Tensor:
    """Rotate pairs of features by angles that grow with time.

    Args:
        x: (B, H, T, D) with D even.

    Source: Su et al. 2021, RoFormer (arXiv 2104.09864), eq. 34.
    """
    time, width = x.shape[-2], x.shape[-1]
    speeds = 10000.0 ** (-torch.arange(0, width, 2, device=x.device, dtype=torch.float32) / width)
    angles = torch.arange(time, device=x.device, dtype=torch.float32)[:, None] * speeds
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., : width // 2], x[..., width // 2 :]
    return torch.cat([even * cos - odd * sin, even * sin + odd * cos], -1)


SHORT_FRAMES = 300
"""On the CPU, sequences up to this length are faster with the whole matrix than with the fused kernel."""


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, dropout: float) -> torch.Tensor:
    """Softmax attention of (B, H, T, D) tensors over the keys in the mask (B, 1, 1, T)."""
    if q.device.type != "cpu" or q.shape[-2] > SHORT_FRAMES:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights = widen(scores.masked_fill(~mask, torch.finfo(scores.dtype).min)).softmax(-1).to(v.dtype)
    return F.dropout(weights, dropout) @ v


class SelfAttention(nn.Module):
    """Multi-head self-attention over time.

    Args:
        width: Features in and out.
        heads: Number of heads; must divide `width`.
        dropout: On the attention weights, in training.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inward = Linear(width, 3 * width)
        self.outward = Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, D), (B, T) -> (B, T, D); keys outside the mask are not seen."""
        batch, time, width = x.shape
        q, k, v = self.inward(x).view(batch, time, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        out = attend(rotary(q), rotary(k), v, mask[:, None, None, :], self.dropout if self.training else 0.0)
        return self.outward(out.transpose(1, 2).reshape(batch, time, width))
