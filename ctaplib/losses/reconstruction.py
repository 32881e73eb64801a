"""Distances between predicted and true frames (mel, log duration), padding left out.

Source: VQ-CTAP (arXiv 2408.05758), Loss_mse between the speech decoder's output and the target mel; the
    absolute distance is our option.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ctaplib.losses.terms import Term

Distance = Literal["l1", "mse"]


def mel_loss(predicted: Tensor, target: Tensor, mask: Tensor, distance: Distance = "mse") -> Term:
    """Compare predicted and true mel frames.

    Args:
        predicted: (batch, time, bins).
        target: (batch, time, bins), the same scale as `predicted`.
        mask: (batch, time) bool, True where valid.
        distance: absolute (l1) or squared (mse).

    Returns:
        Sum over the bins of all valid frames, and the number of bins and frames, so that the mean is per
        value.
    """
    total = _distance(predicted[mask], target[mask], distance).sum()
    return Term(total, mask.sum() * predicted.shape[2])


def duration_loss(predicted_log: Tensor, durations: Tensor, mask: Tensor, distance: Distance = "mse") -> Term:
    """Compare predicted log durations with those of an alignment.

    Args:
        predicted_log: (batch, phones), natural logarithm of 1 + frames.
        durations: (batch, phones), frames, 0 allowed.
        mask: (batch, phones) bool, True where valid.
        distance: absolute (l1) or squared (mse).

    Returns:
        Sum over valid phones, and their number.

    Source:
        FastPitch and FastSpeech 2 take squared log durations; adding 1 keeps phones without a frame (our
        choice).
    """
    predicted, target = predicted_log[mask], torch.log1p(durations[mask].float())
    return Term(_distance(predicted, target, distance).sum(), mask.sum())


def _distance(predicted: Tensor, target: Tensor, distance: Distance) -> Tensor:
    difference = predicted.to(torch.promote_types(predicted.dtype, torch.float32)) - target
    return difference.abs() if distance == "l1" else difference.square()
