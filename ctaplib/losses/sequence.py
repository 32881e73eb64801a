"""Losses of recognition heads: cross entropy of every frame, and connectionist temporal classification.

Source: VQ-CTAP (arXiv 2408.05758), Loss_classify, for frames; Graves et al. 2006 for CTC, which the paper
    does not have and which lets repeated and very short phones be told apart at 25 Hz (our addition).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ctaplib.losses.terms import Term

IGNORED_LABEL = -1


def frame_classification_loss(
    logits: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    ignored_label: int = IGNORED_LABEL,
    smoothing: float = 0.0,
) -> Term:
    """Classify every valid frame.

    Args:
        logits: (batch, time, classes).
        labels: (batch, time) int64; frames with `ignored_label` are left out of sum and count.
        mask: (batch, time) bool, True where valid.
        ignored_label: label of frames whose class is not known.
        smoothing: share of the target spread evenly over all classes, 0 to 1.

    Returns:
        Sum over frames, and their number.
    """
    used = mask & (labels != ignored_label)
    total = functional.cross_entropy(_wide(logits[used]), labels[used], reduction="sum", label_smoothing=smoothing)
    return Term(total, used.sum())


def ctc_start_loss(logits: Tensor, labels: Tensor, mask: Tensor, *, silence_label: int, ignored_label: int) -> Term:
    """Classify the frames of a CTC output, silence as its blank (0): it starts CTC beyond its plateau of blanks.

    Args:
        logits: (batch, n x time, classes) of the CTC output.
        labels: (batch, time) int64; every label stands for n frames of the output.
        mask: (batch, time) bool.
        silence_label: label that becomes the blank.
        ignored_label: label of frames whose class is not known.

    Returns:
        Sum over the frames of the output, and their number.

    Source: CTC models that start from frame labels, Sak et al. 2015 (ICASSP, "Learning acoustic frame labeling"); here
    one term of the loss whose weight falls to 0 early.
    """
    times = logits.shape[1] // labels.shape[1]
    targets = torch.where(labels == silence_label, 0, labels).repeat_interleave(times, 1)
    return frame_classification_loss(logits, targets, mask.repeat_interleave(times, 1), ignored_label=ignored_label)


def frame_accuracy(logits: Tensor, labels: Tensor, mask: Tensor, *, ignored_label: int = IGNORED_LABEL) -> Term:
    """Count the valid frames whose best class is right; shapes as in `frame_classification_loss`."""
    used = mask & (labels != ignored_label)
    return Term((logits[used].argmax(1) == labels[used]).sum().float(), used.sum())


@dataclass(frozen=True)
class CtcLoss:
    """The CTC loss of a batch and what could not be part of it.

    Attributes:
        term: sum of the negative log-likelihoods (nats) of all possible utterances, and the number of their
            labels.
        impossible: (batch,) bool, True for utterances with fewer frames than labels and repeats, which no
            path fits. They are in neither sum nor count: list them.
    """

    term: Term
    impossible: Tensor


def ctc_frames_needed(labels: Tensor, label_lengths: Tensor) -> Tensor:
    """Count the frames that the shortest path needs: labels, and a blank between equal neighbours.

    Args:
        labels: (batch, labels) int64.
        label_lengths: (batch,).

    Returns:
        (batch,) int64.
    """
    inside = torch.arange(1, labels.shape[1], device=labels.device) < label_lengths[:, None]
    repeats = ((labels[:, 1:] == labels[:, :-1]) & inside).sum(1)
    return label_lengths + repeats


def ctc_loss(logits: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor, *, blank: int = 0) -> CtcLoss:
    """Add up the CTC loss in float32.

    Args:
        logits: (batch, time, classes), before softmax.
        lengths: (batch,) int64, valid frames.
        labels: (batch, labels) int64, without blanks.
        label_lengths: (batch,) int64.
        blank: class of the blank.

    Returns:
        The loss, and which utterances are impossible.
    """
    impossible = ctc_frames_needed(labels, label_lengths) > lengths
    possible = ~impossible
    count = label_lengths[possible].sum()
    if not bool(possible.any()):
        return CtcLoss(Term(_wide(logits).sum() * 0.0, count), impossible)
    with torch.autocast(logits.device.type, enabled=False):
        log_probs = _wide(logits[possible]).log_softmax(2).transpose(0, 1)
        total = functional.ctc_loss(
            log_probs,
            labels[possible],
            lengths[possible],
            label_lengths[possible],
            blank=blank,
            reduction="sum",
        )
    return CtcLoss(Term(total, count), impossible)


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
