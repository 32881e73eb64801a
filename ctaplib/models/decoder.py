"""The decoder slot: content frames and a voice to mel and F0, with the losses that train the decoder.

A decoder is a module `ctaplib/models/decoder_<name>.py` that defines `DECODER`. It computes its own losses, because not
every decoder has an output to compare with the target: a flow learns a vector field.
"""

import abc
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.losses.reconstruction import Distance
from ctaplib.losses.terms import Term
from ctaplib.models.abilities import Content, DecoderOutput
from ctaplib.slots import Choices, Slot


@dataclass(frozen=True)
class DecoderTarget:
    """What a decoder learns to produce."""

    mel: torch.Tensor
    """(B, T, n_mels) normalised log-mel."""
    f0_hz: torch.Tensor
    """(B, T) F0, 0 where unvoiced."""
    mask: torch.Tensor
    """(B, T) True where valid."""
    distance: Distance = "l1"
    """Distance of mel frames, for decoders that compare them."""


@dataclass(frozen=True)
class DecoderLoss:
    """Losses of a decoder on a batch."""

    mel: Term
    """Fits the decoder to the target's mel; scheduled as `mel`."""
    pitch: Term | None = None
    """Fits it to the target's F0; scheduled as `pitch`. None for a decoder without F0."""
    output: DecoderOutput | None = None
    """The output that the losses were computed from, with gradient; None where training decodes nothing."""

    @property
    def terms(self) -> dict[str, Term]:
        """Both terms by name; one that the decoder lacks counts nothing."""
        return {"mel": self.mel, "pitch": self.pitch or Term(self.mel.total.new_zeros(()), 0.0)}


class Decoder(nn.Module, abc.ABC):
    """Base of all decoders, which are built with `(config, inputs, voice, n_mels, hop)`.

    These are its own `Config`, the width of content frames, the features of a voice, the mel bands, and the feature frames
    in one content frame.
    """

    Config: ClassVar[type[Config]]

    @abc.abstractmethod
    def forward(self, content: Content, voice: torch.Tensor, keys: Sequence[str]) -> DecoderOutput:
        """Decode content frames (B, T / hop, inputs) in voices (B, features) to normalised log-mel.

        There is a key for each utterance; whatever is random is drawn with `keyed_noise`.
        """

    @abc.abstractmethod
    def loss(self, content: Content, voice: torch.Tensor, target: DecoderTarget, keys: Sequence[str]) -> DecoderLoss:
        """Compute the losses; arguments as in `forward`, keys that differ from step to step."""


class DecoderSlot(Slot):
    """Name and options of a decoder."""

    CHOICES = Choices("models", "decoder_", "DECODER", "decoder")
    name: str = "regression"
    """Name of the decoder: the module `ctaplib/models/decoder_<name>.py`."""


def draw_keys(utts: Sequence[str], *words: object) -> tuple[str, ...]:
    """Return a key for each utterance that holds words such as the seed and the step."""
    return tuple(" ".join((utt, *map(str, words))) for utt in utts)


def keyed_noise(keys: Sequence[str], frames: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Draw (B, frames, width) from a standard normal; neither more frames nor other rows change a row."""
    # numpy draws one value after the other; the generators of torch draw in blocks that depend on the size.
    rows = [np.random.default_rng(list(hashlib.sha256(key.encode()).digest())).standard_normal((frames, width)) for key in keys]
    return torch.from_numpy(np.stack(rows)).to(like)
