"""Errors of recognition on a batch, for validation."""

import torch
from rapidfuzz.distance import Levenshtein

from ctaplib.data.batch import Batch
from ctaplib.losses.sequence import IGNORED_LABEL
from ctaplib.losses.terms import Term
from ctaplib.models.heads import Readout
from ctaplib.tasks.settings import TrainConfig

RECOGNITION_ERRORS = ("per_ctc", "per_class", "class_error_pct")


class RecognitionTrainConfig(TrainConfig):
    """Training of a task whose validation recognises."""

    best: str = "per_ctc"
    """Name of the validation metric whose smallest value chooses the best checkpoint."""


def collapse(logits: torch.Tensor, lengths: torch.Tensor, drop: set[int]) -> list[list[int]]:
    """Return the best label of every frame, repeats merged, without those in `drop`: (B, T, C) -> B lists."""
    rows = zip(logits.argmax(-1).tolist(), lengths.tolist())
    return [[b for a, b in zip([-1, *row], row[:length]) if b != a and b not in drop] for row, length in rows]


def error_rate(found: list[list[int]], labels: torch.Tensor, lengths: torch.Tensor) -> Term:
    """Compute edits over reference labels, in percent: B lists, (B, L), (B,)."""
    rows = [row[:n] for row, n in zip(labels.tolist(), lengths.tolist())]
    edits = sum(Levenshtein.distance(hyp, ref) for hyp, ref in zip(found, rows))
    return Term(torch.tensor(100.0 * edits), float(sum(map(len, rows))))


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
