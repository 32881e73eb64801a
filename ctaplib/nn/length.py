"""Length regulation: each phone's vector is repeated for its frames."""

import torch


def regulate(x: torch.Tensor, durations: torch.Tensor, frames: int) -> torch.Tensor:
    """Repeat every phone for its duration.

    Args:
        x: (B, N, D) vectors or (B, N) ids of phones.
        durations: (B, N) frames of each phone, 0 at padding.
        frames: T, the length of the output.

    Returns:
        (B, T, D) or (B, T); zero behind the last phone.

    Source: Ren et al. 2019, FastSpeech (arXiv 1905.09263), eq. 1.
    """
    ends = durations.cumsum(1)
    times = torch.arange(frames, device=x.device).expand(len(x), -1).contiguous()
    index = torch.searchsorted(ends, times, right=True)
    valid = index < x.shape[1]
    index = index.clamp_max(x.shape[1] - 1)
    if x.dim() == 2:
        return torch.gather(x, 1, index) * valid
    return torch.gather(x, 1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1])) * valid.unsqueeze(-1)
