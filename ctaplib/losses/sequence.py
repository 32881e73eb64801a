"""Losses of recognition heads: cross entropy of every frame, and connectionist temporal classification.

Source: VQ-CTAP (arXiv 2408.05758), Loss_classify, for frames; Graves et al. 2006 for CTC, which the paper does not have
    and which can recognise repeated and very short phones at 25 Hz (our addition).
"""

import torch
from torch import Tensor
from torch.nn import functional

from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32

IGNORED_LABEL = -100
"""Label of frames of unknown class, which count in neither sum nor number; same as `ignore_index` of torch's cross entropy."""


def frame_classification_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Term:
    """Compute the cross entropy of every valid frame.

    Args:
        logits: (batch, time, classes).
        labels: (batch, time) int64.
        mask: (batch, time) bool, True where valid.

    Returns:
        Sum over frames, and their number.
    """
    used = mask & (labels != IGNORED_LABEL)
    return Term(functional.cross_entropy(at_least_float32(logits[used]), labels[used], reduction="sum"), used.sum())


def ctc_start_loss(logits: Tensor, labels: Tensor, mask: Tensor, silence_label: int) -> Term:
    """Compute the cross entropy of the frames of a CTC output, with the blank (0) for silence.

    It starts CTC beyond its plateau of blanks; its weight falls to 0 early in training.

    Args:
        logits: (batch, n * time, classes) of the CTC output.
        labels: (batch, time) int64; every label stands for n frames of the output.
        mask: (batch, time) bool.
        silence_label: Label that becomes the blank.

    Returns:
        Sum over the frames of the output, and their number.

    Source: CTC models that start from frame labels, Sak et al. 2015 (ICASSP, "Learning acoustic frame labeling").
    """
    times = logits.shape[1] // labels.shape[1]
    targets = torch.where(labels == silence_label, 0, labels).repeat_interleave(times, 1)
    return frame_classification_loss(logits, targets, mask.repeat_interleave(times, 1))


def ctc_frames_needed(labels: Tensor, label_lengths: Tensor) -> Tensor:
    """Count the frames of the shortest path, (batch,): labels, and a blank between equal neighbours."""
    inside = torch.arange(1, labels.shape[1], device=labels.device) < label_lengths[:, None]
    repeats = ((labels[:, 1:] == labels[:, :-1]) & inside).sum(1)
    return label_lengths + repeats


def ctc_loss(logits: Tensor, lengths: Tensor, labels: Tensor, label_lengths: Tensor) -> Term:
    """Compute the CTC loss in float32; blank is 0.

    Utterances with fewer frames than the shortest path needs count in neither sum nor number; a speech set lists them
    before training (`left_out_*.tsv`).

    Args:
        logits: (batch, time, classes), before softmax.
        lengths: (batch,) int64, valid frames.
        labels: (batch, labels) int64, without blanks.
        label_lengths: (batch,) int64.

    Returns:
        Sum of the negative log-likelihoods (nats), and the number of labels.
    """
    possible = ctc_frames_needed(labels, label_lengths) <= lengths
    count = label_lengths[possible].sum()
    if not bool(possible.any()):
        return Term(at_least_float32(logits).sum() * 0.0, count)
    with torch.autocast(logits.device.type, enabled=False):
        log_probs = at_least_float32(logits[possible]).log_softmax(2).transpose(0, 1)
        kept = labels[possible], lengths[possible], label_lengths[possible]
        return Term(functional.ctc_loss(log_probs, *kept, reduction="sum"), count)
