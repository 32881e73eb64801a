"""Speech to phones and words, with the frozen model or a trained recogniser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """

    by_class: list[str]
    by_ctc: list[str]
    words: str | None


def read_speech(
    model: VQCTAP | Recognizer, mel: torch.Tensor, lengths: torch.Tensor
) -> tuple[Readout, torch.Tensor | None]:
    """Logits of every head: (B, T, n_mels) stored log-mel, (B,)."""
    normalized = model.normalize(mel)
    if isinstance(model, Recognizer):
        found = model(normalized, lengths)
        return found.read, found.words
    content = model.content(normalized, lengths)
    return model.phoneme_decoder(content.quantized.quantized, content.mask), None


def recognize(task: SpeechTask, mels: Mapping[str, torch.Tensor]) -> dict[str, Transcript]:
    """Recognise utterances, greedily.

    Args:
        task: A trained `vqctap` or `asr` task.
        mels: Stored log-mel (T, n_mels) by id.
    """
    names = task.labels.names

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[Transcript]:
        read, words = read_speech(task.model, mel, lengths)
        classes = collapse(read.classes, lengths // 4, {0, 1})
        ctc = collapse(read.ctc, lengths // 2, {0})
        pieces = collapse(words, lengths // 4, {0}) if words is not None else [None] * len(ids)
        return [
            Transcript([names[i] for i in a], [names[i] for i in b], _text(task, c)) for a, b, c in zip(classes, ctc, pieces)
        ]

    return run_batched(mels, compute)[0]  # type: ignore[return-value]


def _text(task: SpeechTask, pieces: list[int] | None) -> str | None:
    if pieces is None or task.pieces is None:
        return None
    return task.pieces.decode([p - 1 for p in pieces])
