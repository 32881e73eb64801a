"""Speech to phones and words, with the frozen model or a trained recogniser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ctaplib.infer.batches import run_batched
from ctaplib.models.heads import Readout
from ctaplib.models.recognizer import Recognizer
from ctaplib.models.vqctap import VQCTAP
from ctaplib.tasks.error_rates import collapse
from ctaplib.tasks.speech import SpeechTask


@dataclass(frozen=True)
class Transcript:
    """What was recognised.

    Attributes:
        by_class: Phones from frame classes, repeats merged.
        by_ctc: Phones by CTC.
        words: Text by the word head, None where there is none.
        by_search: Phones by CTC and search, None where nothing was searched.
    """

    by_class: list[str]
    by_ctc: list[str]
    words: str | None
    by_search: list[str] | None = None


def read_speech(model: VQCTAP | Recognizer, mel: torch.Tensor, lengths: torch.Tensor) -> tuple[Readout, torch.Tensor | None]:
    """Logits of every head: (B, T, n_mels) stored log-mel, (B,)."""
    normalized = model.normalize(mel)
    if isinstance(model, Recognizer):
        found = model(normalized, lengths)
        return found.read, found.words
    content = model.encode(normalized, lengths)
    return model.phoneme_decoder(content.quantized.quantized, content.mask), None


def recognize(
    task: SpeechTask[VQCTAP] | SpeechTask[Recognizer],
    mels: Mapping[str, torch.Tensor],
    search: Callable[[np.ndarray], list[int]] | None = None,
) -> dict[str, Transcript]:
    """Recognise utterances: the best label of every frame and, where wanted, the best of a search as well.

    Args:
        task: A trained `vqctap` or `asr` task.
        mels: Stored log-mel (T, n_mels) by id.
        search: Log-probabilities (T, labels) of the CTC output to labels.
    """
    names = task.labels.names

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[Transcript]:
        read, words = read_speech(task.model, mel, lengths)
        classes = collapse(read.classes, lengths // 4, {0, 1})
        ctc = collapse(read.ctc, lengths // 2, {0})
        pieces = collapse(words, lengths // 4, {0}) if words is not None else [None] * len(ids)
        searched: list[list[str] | None] = [None] * len(ids)
        if search is not None:
            logs = zip(read.ctc.log_softmax(-1).numpy(), (lengths // 2).tolist())
            searched = [[names[i] for i in search(rows[:n])] for rows, n in logs]
        return [
            Transcript([names[i] for i in a], [names[i] for i in b], _text(task, c), d)
            for a, b, c, d in zip(classes, ctc, pieces, searched)
        ]

    return run_batched(mels, compute)[0]


def _text(task: SpeechTask, pieces: list[int] | None) -> str | None:
    if pieces is None or task.pieces is None:
        return None
    return task.pieces.decode([p - 1 for p in pieces])
