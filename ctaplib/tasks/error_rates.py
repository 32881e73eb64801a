"""Recognition of a batch: terms of the loss, and errors for validation."""

from itertools import groupby

import torch
from rapidfuzz.distance import Levenshtein

from ctaplib.data.batch import Batch
from ctaplib.data.labels import SILENCE_LABEL
from ctaplib.losses.sequence import IGNORED_LABEL, ctc_loss, ctc_start_loss, frame_classification_loss
from ctaplib.losses.terms import Term
from ctaplib.models.heads import Readout

RECOGNITION_ERRORS = ("per_ctc", "per_class", "class_error_pct")


def collapse(logits: torch.Tensor, lengths: torch.Tensor, drop: set[int]) -> list[list[int]]:
    """Return the best label of every frame, repeats merged, without those in `drop`: (B, T, C) -> B lists."""
    rows = zip(logits.argmax(-1).tolist(), lengths.tolist())
    return [[label for label, _ in groupby(row[:length]) if label not in drop] for row, length in rows]


def error_rate(hyps: list[list[int]], labels: torch.Tensor, lengths: torch.Tensor) -> Term:
    """Compute edits over reference labels, in percent: B lists, (B, L), (B,)."""
    rows = [row[:n] for row, n in zip(labels.tolist(), lengths.tolist())]
    edits = sum(Levenshtein.distance(hyp, ref) for hyp, ref in zip(hyps, rows))
    return Term(torch.tensor(100.0 * edits), float(sum(map(len, rows))))


def recognition_terms(read: Readout, batch: Batch, mask: torch.Tensor, with_start: bool) -> dict[str, Term]:
    """Compute the terms of classes and CTC; that of the start of CTC training only if wanted."""
    start = Term.none(batch.mel)
    if with_start:
        start = ctc_start_loss(read.ctc, batch.frame_labels, mask, SILENCE_LABEL)
    return {
        "classify": frame_classification_loss(read.classes, batch.frame_labels, mask),
        "ctc": ctc_loss(read.ctc, read.ctc_lengths, batch.labels, batch.labels_lengths),
        "ctc_start": start,
    }


def recognition_errors(read: Readout, batch: Batch) -> dict[str, Term]:
    """Compute PER by CTC and by collapsed classes, and the share of wrong classes, in percent."""
    known = batch.frame_labels != IGNORED_LABEL
    wrong = (read.classes.argmax(-1) != batch.frame_labels) & known
    by_ctc, by_class = collapse(read.ctc, read.ctc_lengths, {0}), collapse(read.classes, read.lengths, {0, 1})
    return {
        "per_ctc": error_rate(by_ctc, batch.labels, batch.labels_lengths),
        "per_class": error_rate(by_class, batch.labels, batch.labels_lengths),
        "class_error_pct": Term(100 * wrong.sum(), known.sum()),
    }
