"""Distances between magnitudes of short-time spectra: sums and counts, no means."""

import torch

from ctaplib.losses.terms import Term
from ctaplib.tensors import length_mask


def distance(generated: torch.Tensor, natural: torch.Tensor, frames: torch.Tensor) -> tuple[Term, Term]:
    """Compute spectral convergence and log-magnitude distance of magnitudes (B, T, bins) above 0.

    Returns:
        Convergence: relative error of the magnitudes, a sum over utterances. Log magnitude: mean absolute difference
        over bins, a sum over valid frames.

    Source: Yamamoto et al., Parallel WaveGAN, 2020, eqs. 5 and 6; convergence per utterance, so that it does not depend
    on which utterances share a batch (our choice).
    """
    mask = length_mask(frames, generated.shape[1])[..., None]
    difference = (generated - natural) * mask
    size = torch.linalg.vector_norm(natural * mask, dim=(1, 2)).clamp_min(1e-4)
    convergence = (torch.sqrt(difference.square().sum((1, 2)) + 1e-8) / size).sum()
    return Term(convergence, float(len(generated))), log_distance(generated, natural, frames)


def log_distance(generated: torch.Tensor, natural: torch.Tensor, frames: torch.Tensor) -> Term:
    """Compute the mean absolute difference of logarithms (B, T, D) over D, a sum over valid frames."""
    mask = length_mask(frames, generated.shape[1])
    return Term(((generated.log() - natural.log()).abs().mean(2) * mask).sum(), mask.sum())
