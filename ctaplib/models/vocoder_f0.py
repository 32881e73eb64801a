"""F0 and voicing from mel spectrograms: a small network, and the most likely track through its classes."""

import math

import numpy as np
import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.conv_stack import ConvStack
from ctaplib.tensors import at_least_float32, length_mask

GRID = 64
"""Steps per class to which F0 is rounded."""
NEAR = 4
"""Classes on either side of the best over which F0 is averaged."""


class F0ReaderConfig(Config):
    """Sizes of the F0 reader, and costs of its track."""

    channels: int = 128
    """Width of the network."""
    blocks: int = 3
    """Residual blocks of the network."""
    min_hz: float = 50.0
    """Lowest F0 that can be read, Hz."""
    max_hz: float = 700.0
    """Highest F0 that can be read, Hz."""
    bins: int = 192
    """Classes of F0, equally spaced in log F0."""
    reach: int = 5
    """Classes that the track can move from frame to frame at no cost."""
    jump_cost: float = 4.0
    """Cost of any larger move, natural logarithm of a probability; 0 takes the best class of each frame."""


class F0Reader(nn.Module):
    """F0 and voicing of a mel spectrogram by classification over log F0.

    Source: classes and the local expectation around the best one follow CREPE (Kim et al., 2018, eq. 2). The track
    through the classes is our choice.
    """

    def __init__(self, config: F0ReaderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.low = math.log(config.min_hz)
        self.step = (math.log(config.max_hz) - self.low) / (config.bins - 1)
        self.net = ConvStack(n_mels, config.channels, config.bins + 1, config.blocks, (1, 2, 4))

    def forward(self, mel: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T, n_mels) normalised, (B, T) bool -> logits (B, T, bins), voicing logit (B, T)."""
        out = at_least_float32(self.net(mel, mask))
        return out[..., :-1], out[..., -1]

    @torch.no_grad()
    def decode(self, logits: torch.Tensor, voiced_logit: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute F0 in Hz (B, T), 0 where unvoiced: expected log F0 around the track.

        The result is rounded to `GRID` steps per class, so that rounding errors, which may differ between batches, do not
        accumulate in the phase. Arguments: logits as from `forward`, valid frames (B,).
        """
        best = logits.argmax(-1)
        if self.config.jump_cost > 0:
            scores = logits.log_softmax(-1) * voiced_logit.sigmoid()[..., None]
            best = best_track(scores, lengths, self.config.reach, self.config.jump_cost)
        offsets = torch.arange(-NEAR, NEAR + 1, device=logits.device)
        near = best[..., None] + offsets
        outside = (near < 0) | (near >= self.config.bins)
        weight = logits.gather(-1, near.clamp(0, self.config.bins - 1)).masked_fill(outside, -math.inf).softmax(-1)
        place = best + torch.round((weight * offsets).sum(-1) * GRID) / GRID
        voiced = (voiced_logit > 0) & length_mask(lengths, logits.shape[1])
        return torch.where(voiced, torch.exp(self.low + self.step * place), 0.0)

    def targets(self, f0_hz: torch.Tensor, spread: float = 1.0) -> torch.Tensor:
        """Return the blurred class distribution (..., bins) of positive F0 values (...); `spread` in classes."""
        highest = self.low + self.step * (self.config.bins - 1)
        centre = (torch.log(f0_hz.clamp_min(1.0)).clamp(self.low, highest) - self.low) / self.step
        place = torch.arange(self.config.bins, device=f0_hz.device)
        return torch.softmax(-0.5 * ((place - centre[..., None]) / spread).square(), -1)


def best_track(scores: torch.Tensor, lengths: torch.Tensor, reach: int, jump_cost: float) -> torch.Tensor:
    """Return the track of largest sum (Viterbi) whose moves cost nothing up to `reach` classes and `jump_cost` beyond.

    From scores (B, T, bins) to classes (B, T); padding does not change the track before it.
    """
    from scipy.ndimage import maximum_filter1d  # here: most commands do not need it

    # (T, B, bins), summed up in place; numpy is faster than torch frame by frame. The floor keeps all sums finite.
    totals = scores.detach().float().cpu().clamp_min(-1e30).transpose(0, 1).contiguous().numpy().copy()
    frames, batch, bins = totals.shape
    for t in range(1, frames):
        near = maximum_filter1d(totals[t - 1], 2 * reach + 1, mode="nearest")
        totals[t] += np.maximum(near, totals[t - 1].max(1, keepdims=True) - jump_cost)
    classes, last = np.arange(bins), lengths.cpu().numpy() - 1
    costs = np.float32(jump_cost) * (abs(classes[:, None] - classes) > reach)
    path = np.empty((frames, batch), np.int64)
    path[-1] = totals[last, np.arange(batch)].argmax(1)
    for t in range(frames - 2, -1, -1):
        path[t] = np.where(t < last, (totals[t] - costs[path[t + 1]]).argmax(1), path[t + 1])
    return torch.from_numpy(path.T.copy()).to(scores.device)
