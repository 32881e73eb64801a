"""Soft targets for the contrastive loss: what spreading targets over all pairs of one label adds to hard targets.

With a share a of every target spread evenly over the pairs of the anchor's label, the loss changes by

    a * sum_i (L_ii - 1/2 mean_j L_ij - 1/2 mean_j L_ji),    j over the pairs of i's label,

and a mean over a label is a product with the label's mean vector, so no matrix is needed.
"""

from typing import Any

import torch
from torch import Tensor

from ctaplib.collective import gather_rows, sum_over_ranks
from ctaplib.errors import TrainingError


class Soften(torch.autograd.Function):
    """Change for a share of 1; arguments as in `symmetric_infonce`, `classes` is the number of labels."""

    @staticmethod
    def forward(ctx: Any, speech: Tensor, phonemes: Tensor, scale: Tensor, labels: Tensor, classes: int, across: bool) -> Tensor:
        """Return the change, a scalar."""
        sums = torch.stack([_class_sums(x, labels, classes) for x in (speech, phonemes)])
        counts = torch.bincount(labels, minlength=classes)
        if across:
            sums, counts = sum_over_ranks(sums), sum_over_ranks(counts)
        means = sums / counts.clamp_min(1)[:, None]
        own_means = means[0][labels], means[1][labels]
        ctx.save_for_backward(speech, phonemes, scale, *own_means)
        ctx.across = across
        return scale * _softening(speech, phonemes, *own_means)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return its gradients for speech, phonemes and scale."""
        speech, phonemes, scale, mean_speech, mean_phonemes = ctx.saved_tensors
        if ctx.across:
            check_same_factor(gradient)
        factor = gradient * scale
        to_scale = gradient * _softening(speech, phonemes, mean_speech, mean_phonemes)
        to_speech, to_phonemes = (phonemes - mean_phonemes) * factor, (speech - mean_speech) * factor
        return to_speech, to_phonemes, to_scale, None, None, None


def _softening(speech: Tensor, phonemes: Tensor, mean_speech: Tensor, mean_phonemes: Tensor) -> Tensor:
    return (speech * phonemes).sum() - ((speech * mean_phonemes).sum() + (phonemes * mean_speech).sum()) / 2


def _class_sums(rows: Tensor, labels: Tensor, classes: int) -> Tensor:
    return rows.new_zeros((classes, rows.shape[1])).index_add_(0, labels, rows.detach())


def check_same_factor(gradient: Tensor) -> None:
    """Check that all ranks run backward with one factor.

    Raises:
        TrainingError: They do not.
    """
    every = gather_rows(gradient.reshape(1))
    if bool((every != every[0]).any()):
        raise TrainingError(
            f"the contrastive loss has the factors {every.tolist()} on the ranks of this run",
            expected="the same factor on all ranks, since pairs of one rank are negatives of another",
            fix="divide every term by its count over all ranks before backward",
        )
