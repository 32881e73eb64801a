"""Kullback-Leibler loss of a variational encoder's global vector, with a margin below which it is free."""

from __future__ import annotations

import torch
from torch import Tensor

from ctaplib.losses.terms import Term


def kl_loss(mean: Tensor, log_variance: Tensor, margin: float = 0.0) -> Term:
    """Measure how far each item's normal distribution is from the standard one.

    Args:
        mean: (batch, dim).
        log_variance: (batch, dim), natural logarithm of the variance.
        margin: nats per item that cost nothing, Delta in max(0, D_KL - Delta).

    Returns:
        Sum over items of their divergence (nats, added up over dimensions) above the margin, and their
        number.

    Source:
        VQ-CTAP (arXiv 2408.05758), Loss_kl on the prompt encoder, a VAE. The margin is SecoustiCodec's
        (arXiv 2508.02849); it is taken per item, which that paper does not say (our choice).
    """
    wide = torch.promote_types(mean.dtype, torch.float32)
    mean, log_variance = mean.to(wide), log_variance.to(wide)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
    return Term((divergence - margin).clamp_min(0.0).sum(), float(len(mean)))
