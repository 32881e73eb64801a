"""Kullback-Leibler divergence of a variational encoder's global vector."""

from torch import Tensor

from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32


def kl_loss(mean: Tensor, log_variance: Tensor, margin: float = 0.0) -> Term:
    """Compute the divergence of each utterance's normal distribution from the standard normal.

    Args:
        mean: (batch, dim).
        log_variance: (batch, dim), natural logarithm of the variance.
        margin: Nats per utterance that cost nothing, Delta in max(0, D_KL - Delta).

    Returns:
        Sum over utterances of the divergence (nats, added up over dimensions) above the margin, and their number.

    Source: VQ-CTAP (arXiv 2408.05758), Loss_kl on the prompt encoder, a VAE. The margin is SecoustiCodec's
    (arXiv 2508.02849), applied per utterance, which that paper does not specify (our choice).
    """
    mean, log_variance = at_least_float32(mean), at_least_float32(log_variance)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
    return Term((divergence - margin).clamp_min(0.0).sum(), float(len(mean)))
