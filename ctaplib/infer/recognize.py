"""Recognition of phones and words, with a pre-trained model or a trained recogniser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctaplib.infer.batches import FeatureBatch, Features, run_batched
from ctaplib.models.abilities import Reads
from ctaplib.models.recognizer import Recognizer
from ctaplib.tasks.error_rates import collapse
from ctaplib.tasks.speech import SpeechTask


@dataclass(frozen=True)
class Transcript:
    """The transcript of an utterance.

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


def recognize(
    task: SpeechTask[Any],
    inputs: Mapping[str, Features],
    search: Callable[[np.ndarray], list[int]] | None = None,
) -> dict[str, Transcript]:
    """Recognise utterances: the best label of every frame and, optionally, the best of a search.

    The task is a trained method that reads phones, or a trained recogniser. `search` takes log-probabilities (T, labels) of
    the CTC output and returns labels.
    """
    model: Reads | Recognizer = task.model
    names = task.labels.names

    def compute(batch: FeatureBatch) -> list[Transcript]:
        if isinstance(model, Recognizer):
            output = model(model.normalize(batch.mel), batch.lengths)
            logits, words = output.read, output.words
        else:
            logits, words = model.read(batch.content(model)), None
        classes = collapse(logits.classes, logits.lengths, {0, 1})
        ctc = collapse(logits.ctc, logits.ctc_lengths, {0})
        texts: list[str | None] = [None] * len(batch.ids)
        if words is not None and task.pieces is not None:
            texts = [task.pieces.decode([p - 1 for p in row]) for row in collapse(words, logits.lengths, {0})]
        searched: list[list[str] | None] = [None] * len(batch.ids)
        if search is not None:
            log_probs = zip(logits.ctc.log_softmax(-1).numpy(), logits.ctc_lengths.tolist())
            searched = [[names[i] for i in search(rows[:n])] for rows, n in log_probs]
        phones = ([[names[i] for i in row] for row in labels] for labels in (classes, ctc))
        return [Transcript(*row) for row in zip(*phones, texts, searched)]

    return run_batched(inputs, compute, model.hop)[0]
