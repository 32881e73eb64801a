"""Stretching of the mel axis: another voice that says the same."""

import torch


def warp_pitch(f0_hz: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Compute where F0 (B, T) lies after `warp_mel` of a mel axis that begins at 0 Hz; 0 stays 0."""
    mel = torch.log1p(f0_hz / 700.0) / factor[:, None]
    return 700.0 * torch.expm1(mel)


def warp_mel(mel: torch.Tensor, factor: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Stretch every spectrum along the mel axis and shift its level.

    Args:
        mel: (B, T, n_mels) normalised log-mel.
        factor: (B,) stretch; above 1 moves formants down.
        gain: (B,) added to all bands.

    Source: vocal-tract length perturbation, Jaitly and Hinton 2013, on the mel axis; our choice here.
    """
    bands = mel.shape[-1]
    place = (torch.arange(bands, device=mel.device) * factor[:, None]).clamp(0, bands - 1)
    low = place.floor().long().clamp_max(bands - 2)
    share = (place - low).unsqueeze(1).to(mel.dtype)
    index = low.unsqueeze(1).expand(-1, mel.shape[1], -1)
    lower, upper = torch.gather(mel, 2, index), torch.gather(mel, 2, index + 1)
    return lower + share * (upper - lower) + gain[:, None, None]
