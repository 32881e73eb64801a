"""Adversarial losses on maps of scores (B, T, F): sums over valid frames, each frame the mean over F."""

from collections.abc import Sequence

import torch

from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32, length_mask


def hinge_discriminator(natural: torch.Tensor, generated: torch.Tensor, frames: torch.Tensor) -> Term:
    """Compute the hinge loss of the discriminator: scores (B, T, F) of natural speech above 1, of generated below -1.

    Source: Lim and Ye, Geometric GAN, 2017, eq. 14.
    """
    losses = torch.relu(1.0 - at_least_float32(natural)) + torch.relu(1.0 + at_least_float32(generated))
    return _over_frames(losses, frames)


def hinge_generator(generated: torch.Tensor, frames: torch.Tensor) -> Term:
    """Compute the loss of the generator, which falls as its scores (B, T, F) rise to 1 and is flat beyond.

    The bound at 1 follows recent vocoders with small discriminators (our choice; the paper has none).
    """
    return _over_frames(torch.relu(1.0 - at_least_float32(generated)), frames)


def feature_matching(natural: Sequence[torch.Tensor], generated: Sequence[torch.Tensor], frames: torch.Tensor) -> Term:
    """Compute the mean absolute difference of the discriminator's layers (B, C, T, F_l), averaged over layers.

    Source: Kumar et al., MelGAN, 2019, eq. 4, with means instead of sums within a layer.
    """
    parts = [at_least_float32(n.detach() - g).abs().mean(1) for n, g in zip(natural, generated)]
    terms = [_over_frames(part, frames) for part in parts]
    return Term(torch.stack([t.total for t in terms]).mean(), terms[0].count)


def _over_frames(values: torch.Tensor, frames: torch.Tensor) -> Term:
    mask = length_mask(frames, values.shape[1])
    return Term((values.mean(2) * mask).sum(), mask.sum())
