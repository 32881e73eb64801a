"""Errors of recognition on a batch, for validation."""

import torch
from rapidfuzz.distance import Levenshtein

from ctaplib.data.dataset import IGNORE, Batch
from ctaplib.losses.terms import Term
from ctaplib.models.heads import Readout
from ctaplib.tasks.base import TrainConfig

RECOGNITION_ERRORS = ("per_ctc", "per_class", "class_error_pct")


class RecognitionTrainConfig(TrainConfig):
    """Of a task whose validation recognises."""

    best: str = "per_ctc"
    """Name of the validation metric whose smallest value chooses the best checkpoint."""


def collapse(logits: torch.Tensor, lengths: torch.Tensor, drop: set[int]) -> list[list[int]]:
    """Best label of every frame, repeats merged, labels in `drop` left out: (B, T, C) -> B lists."""
    found = []
    for row, length in zip(logits.argmax(-1).tolist(), lengths.tolist()):
        row = row[:length]
        found.append([b for a, b in zip([-1, *row], row) if b != a and b not in drop])
    return found


def error_rate(found: list[list[int]], wanted: torch.Tensor, lengths: torch.Tensor) -> Term:
    """Edits over reference labels, in percent: B lists, (B, L), (B,)."""
    rows = [row[:n] for row, n in zip(wanted.tolist(), lengths.tolist())]
    edits = sum(Levenshtein.distance(f, w) for f, w in zip(found, rows))
    return Term(torch.tensor(100.0 * edits), float(sum(map(len, rows))))


def recognition_errors(read: Readout, batch: Batch) -> dict[str, Term]:
    """PER by CTC and by collapsed classes, and the share of wrong classes, in percent."""
    known = batch.frame_labels != IGNORE
    wrong = (read.classes.argmax(-1) != batch.frame_labels) & known
    by_ctc = collapse(read.ctc, batch.mel_lengths // 2, {0})
    by_class = collapse(read.classes, batch.mel_lengths // 4, {0, 1})
    return {
        "per_ctc": error_rate(by_ctc, batch.labels, batch.label_lengths),
        "per_class": error_rate(by_class, batch.labels, batch.label_lengths),
        "class_error_pct": Term(100 * wrong.sum(), known.sum()),
    }
