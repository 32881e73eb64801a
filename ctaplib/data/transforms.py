"""Transforms: the augmentation of training utterances. A module `ctaplib/data/transform_<name>.py` with `TRANSFORM` adds one.

A transform acts in up to three places. `apply` changes an utterance while its batch is made, with random numbers that
are keyed by seed, step and utterance; what it draws for later goes to `entries`, which become tensors in `Batch.extra`.
`encoder_input` and `target` change normalised tensors of the batch on the device. In validation nothing is changed.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from ctaplib.config import Config
from ctaplib.data.batch import Batch, Entry
from ctaplib.data.labels import Labelled, Rates
from ctaplib.slots import Choices, Slot

MASKED_MEL = "masked_mel"
"""Entry that the speech encoder takes in the place of the mel."""


def keyed_rng(seed: int, step: int, *words: str) -> np.random.Generator:
    """Return a generator keyed by seed, step and words: its numbers do not depend on what else was drawn."""
    key = [seed, step, *(int.from_bytes(w.encode()[-12:], "little") for w in words)]
    return np.random.default_rng(key)


@dataclass
class Example:
    """An utterance while its batch is made; arrays may be views of files, so they are replaced, not written to.

    Attributes:
        mel: (T, n_mels) log-mel as stored, T a multiple of the model's hop.
        f0_hz: (T,) F0, 0 where unvoiced.
        prompt: (Tp, n_mels) a clip of the same speaker.
        labelled: Its phones; None where the task has none.
        entries: What the transforms add to the batch.
    """

    utt: str
    mel: np.ndarray
    f0_hz: np.ndarray
    prompt: np.ndarray
    labelled: Labelled | None = None
    entries: dict[str, Entry] = field(default_factory=dict)


class Transform(abc.ABC):
    """Base of all transforms, which are built with their own `Config` and how frames are counted."""

    Config: ClassVar[type[Config]]

    def __init__(self, config: Any, rates: Rates) -> None:
        self.config, self.rates = config, rates

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        """Change an utterance of the training set, or add entries."""

    def encoder_input(self, mel: torch.Tensor, batch: Batch, part: Literal["mel", "random"]) -> torch.Tensor:
        """Transform the normalised encoder input (B, T, n_mels), of the utterances (`mel`) or of `batch.random`."""
        return mel

    def target(
        self, mel: torch.Tensor, prompt: torch.Tensor, f0_hz: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Transform the normalised target mel, the prompt mel and the target F0 together."""
        return mel, prompt, f0_hz


class TransformSlot(Slot):
    """Name and options of a transform."""

    CHOICES = Choices("data", "transform_", "TRANSFORM", "transform")


def build_transforms(
    first: Sequence[type[Transform]], config: Config, more: Sequence[TransformSlot], rates: Rates
) -> list[tuple[Transform, tuple[str, ...]]]:
    """Build transforms, each with the words, besides the utterance, that its random numbers are keyed by.

    The `first`, with settings in `config`, draw in this order from the one generator of the utterance: they have no words.
    `more` are applied after these, in their order, each with a generator of its own.
    """
    built: list[tuple[Transform, tuple[str, ...]]] = [(cls(config, rates), ()) for cls in first]
    for number, slot in enumerate(more):
        again = sum(other.name == slot.name for other in more[:number])
        built.append((slot.build(rates), (slot.name, str(again))))
    return built


def warp_pitch(f0_hz: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Compute where F0 (B, T) lies after `warp_mel` of a mel axis that begins at 0 Hz; 0 stays 0."""
    mel = torch.log1p(f0_hz / 700.0) / factor[:, None]
    return 700.0 * torch.expm1(mel)


def warp_mel(mel: torch.Tensor, factor: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Stretch normalised log-mel (B, T, n_mels) along the mel axis by `factor` (B,), and add `gain` (B,) to all bands.

    A factor above 1 moves formants down. Source: vocal-tract length perturbation, Jaitly and Hinton 2013, on the mel axis; our
    choice here.
    """
    bands = mel.shape[-1]
    place = (torch.arange(bands, device=mel.device) * factor[:, None]).clamp(0, bands - 1)
    low = place.floor().long().clamp_max(bands - 2)
    share = (place - low).unsqueeze(1).to(mel.dtype)
    index = low.unsqueeze(1).expand(-1, mel.shape[1], -1)
    lower, upper = torch.gather(mel, 2, index), torch.gather(mel, 2, index + 1)
    return lower + share * (upper - lower) + gain[:, None, None]
