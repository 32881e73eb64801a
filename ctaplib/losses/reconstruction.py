"""Distances between predicted and true frames (mel, F0, log duration); padding is excluded.

Source: VQ-CTAP (arXiv 2408.05758), Loss_mse between the speech decoder's output and the target mel; the absolute
    distance is our option.
"""

from typing import Literal

import torch
from torch import Tensor

from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32

Distance = Literal["l1", "mse"]


def mel_loss(predicted: Tensor, target: Tensor, mask: Tensor, distance: Distance = "mse") -> Term:
    """Compute the absolute or squared distance of predicted and true mel frames (batch, time, bins).

    Returns:
        Sum over the bins of all valid frames, and the number of these bins.
    """
    total = _distance(predicted[mask], target[mask], distance).sum()
    return Term(total, mask.sum() * predicted.shape[2])


def pitch_loss(octave: Tensor, voiced_logit: Tensor, target_octave: Tensor, voiced: Tensor, mask: Tensor) -> Term:
    """Compare predicted and true F0 and voicing. Our choice: the papers predict no pitch.

    Args:
        octave: (batch, time), predicted log2 of F0.
        voiced_logit: (batch, time), predicted log odds of voicing.
        target_octave: (batch, time).
        voiced: (batch, time) bool.
        mask: (batch, time) bool, True where valid.

    Returns:
        Sum over valid frames of the absolute distance (voiced frames, octaves) and a tenth of the cross entropy of
        voicing, and the number of valid frames.
    """
    both = mask & voiced
    distance = _distance(octave[both], target_octave[both], "l1").sum()
    flags = torch.nn.functional.binary_cross_entropy_with_logits(
        voiced_logit[mask], voiced[mask].to(voiced_logit.dtype), reduction="sum"
    )
    return Term(distance + 0.1 * flags, mask.sum())


def duration_loss(predicted_log: Tensor, durations: Tensor, mask: Tensor) -> Term:
    """Compute the absolute distance of predicted log durations from those of an alignment.

    Args:
        predicted_log: (batch, phones), natural logarithm of 1 + frames.
        durations: (batch, phones), frames, 0 allowed.
        mask: (batch, phones) bool, True where valid.

    Returns:
        Sum over valid phones, and their number.

    FastPitch and FastSpeech 2 take squared log durations. Absolute ones, and adding 1, which allows phones without a
    frame, are our choice.
    """
    predicted = at_least_float32(predicted_log[mask])
    target = torch.log1p(durations[mask].to(predicted.dtype))
    return Term(_distance(predicted, target, "l1").sum(), mask.sum())


def _distance(predicted: Tensor, target: Tensor, distance: Distance) -> Tensor:
    difference = at_least_float32(predicted) - target
    return difference.abs() if distance == "l1" else difference.square()
