"""Distances between magnitudes of short-time spectra; sums and counts, nothing is averaged here."""

import torch

from ctaplib.losses.terms import Term
from ctaplib.tensors import length_mask


def distance(made: torch.Tensor, true: torch.Tensor, frames: torch.Tensor) -> tuple[Term, Term]:
    """Spectral convergence and log-magnitude distance.

    Args:
        made: (B, T, bins) magnitudes above 0 of what was generated.
        true: (B, T, bins) natural ones.
        frames: (B,) valid frames.

    Returns:
        Convergence: relative error of the magnitudes, a sum over utterances. Log magnitude: mean absolute
        difference over bins, a sum over valid frames.

    Source: Yamamoto et al., Parallel WaveGAN, 2020, eqs. 5 and 6; convergence per utterance, so that it does
    not depend on which utterances share a batch (our choice).
    """
    mask = length_mask(frames, made.shape[1])
    difference = (made - true) * mask[..., None]
    size = torch.linalg.vector_norm(true * mask[..., None], dim=(1, 2)).clamp_min(1e-4)
    convergence = (torch.sqrt(difference.square().sum((1, 2)) + 1e-8) / size).sum()
    logs = ((made.log() - true.log()).abs().mean(2) * mask).sum()
    return Term(convergence, float(len(made))), Term(logs, mask.sum())


def log_distance(made: torch.Tensor, true: torch.Tensor, frames: torch.Tensor) -> Term:
    """Mean absolute difference of logarithms (B, T, D) over D, a sum over valid frames."""
    mask = length_mask(frames, made.shape[1])
    return Term(((made.log() - true.log()).abs().mean(2) * mask).sum(), mask.sum())
