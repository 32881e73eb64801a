"""Utterances in padded batches of similar lengths, and the computing time of each."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from ctaplib.data.dataset import SpeechSet
from ctaplib.models.abilities import Content, HasContent
from ctaplib.tensors import pad_stack

Result = TypeVar("Result")

BATCH_FRAMES = 4000
"""Largest padded size of a batch in inference, feature frames."""


@dataclass(frozen=True)
class Features:
    """Features of one utterance, for a model or a vocoder.

    Attributes:
        mel: (T, n_mels) stored log-mel.
        f0_hz: (T,) F0, 0 where unvoiced; None for a model that does not use it, or a vocoder that reads it from the mel.
    """

    mel: torch.Tensor
    f0_hz: torch.Tensor | None = None


@dataclass(frozen=True)
class FeatureBatch:
    """`Features` of several utterances, padded: mel (B, T, n_mels), T and the lengths (B,) multiples of the model's hop."""

    ids: tuple[str, ...]
    mel: torch.Tensor
    lengths: torch.Tensor
    f0_hz: torch.Tensor | None = None

    def content(self, model: HasContent) -> Content:
        """Encode the batch."""
        return model.content(self.mel, self.lengths, self.f0_hz)


def features_of(speech: SpeechSet, with_f0: bool) -> dict[str, Features]:
    """Read the features of a set."""
    return {u: Features(_read(speech.mel(u)), _read(speech.f0_hz(u)) if with_f0 else None) for u in speech.utts}


def _read(view: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(view, dtype=np.float32))


def floored(frames: torch.Tensor, hop: int) -> torch.Tensor:
    """Cut frames (T, ...) to whole content frames; a shorter utterance is padded to one by repeating its last frame."""
    if len(frames) < hop:
        return frames[torch.arange(hop).clamp_max(len(frames) - 1)]
    return frames[: len(frames) // hop * hop]


@torch.inference_mode()
def run_by_length(
    lengths: Mapping[str, int], compute: Callable[[list[str]], Sequence[Result]], largest: int = BATCH_FRAMES
) -> tuple[dict[str, Result], dict[str, float]]:
    """Apply a function to ids in batches of similar lengths, the longest first, with `largest` as their padded size.

    Returns:
        The result of each id, and its share of the computing time in seconds, in proportion to its length.
    """
    results: dict[str, Result] = {}
    seconds: dict[str, float] = {}
    ordered = sorted(lengths, key=lambda u: (-lengths[u], u))
    while ordered:
        count = max(1, largest // max(1, lengths[ordered[0]]))
        ids, ordered = ordered[:count], ordered[count:]
        started = time.perf_counter()
        results |= zip(ids, compute(ids))
        batch_s = time.perf_counter() - started
        total = sum(lengths[u] for u in ids)
        seconds |= {u: batch_s * lengths[u] / total for u in ids}
    return results, seconds


def run_batched(
    inputs: Mapping[str, Features], compute: Callable[[FeatureBatch], Sequence[Result]], hop: int
) -> tuple[dict[str, Result], dict[str, float]]:
    """Apply a function of a padded batch to utterances of any lengths; returns what `run_by_length` does."""
    lengths = {u: len(f.mel) for u, f in inputs.items()}
    return run_by_length(lengths, lambda ids: compute(_padded(ids, [inputs[u] for u in ids], hop)))


@torch.inference_mode()
def encode(model: HasContent, features: Features) -> Content:
    """Encode one utterance as content, a batch of one."""
    return _padded(["utterance"], [features], model.hop).content(model)


def _padded(ids: Sequence[str], items: Sequence[Features], hop: int) -> FeatureBatch:
    mel, lengths = pad_stack([floored(item.mel, hop) for item in items], multiple=hop)
    tracks = [floored(item.f0_hz, hop) for item in items if item.f0_hz is not None]
    return FeatureBatch(tuple(ids), mel, lengths, pad_stack(tracks, multiple=hop)[0] if tracks else None)
