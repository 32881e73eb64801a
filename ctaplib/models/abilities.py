"""What a trained model can do, as protocols: inference, scoring and the report ask for these, never for a class.

A model takes stored log-mel (not normalised) and integer lengths in feature frames, and returns content frames of `hop`
feature frames each. A method declares its model's abilities in `ctaplib/methods/<name>.py`; a test checks that they are there.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from ctaplib.models.heads import Readout
from ctaplib.nn.quantize import Quantized, Quantizer


@dataclass(frozen=True)
class Content:
    """Content frames of a batch; a method can subclass this to pass more to its own decoder, for example F0."""

    speech: torch.Tensor
    """S (B, T, width), before the quantizer; frames looked up from codes where there is no S."""
    mask: torch.Tensor
    """(B, T) True where valid."""
    quantized: Quantized | None = None
    """Ŝ and its codes; None for a model without a codebook."""

    @property
    def frames(self) -> torch.Tensor:
        """(B, T, width) input of a decoder: Ŝ, or S without a codebook."""
        return self.speech if self.quantized is None else self.quantized.quantized


@dataclass(frozen=True)
class CodedContent(Content):
    """Content of a model with a codebook."""

    quantized: Quantized

    @property
    def codes(self) -> torch.Tensor:
        """(B, T) int64, -1 at padding."""
        return self.quantized.codes


@dataclass(frozen=True)
class DecoderOutput:
    """Decoded speech."""

    mel: torch.Tensor
    """(B, T, n_mels) log-mel at the feature rate: normalised from a decoder, stored log-mel from `speak`."""
    f0_hz: torch.Tensor | None = None
    """(B, T) F0 for the vocoder, 0 where unvoiced; None: the vocoder reads F0 from the mel."""


@runtime_checkable
class HasContent(Protocol):
    """`content`: encodes speech."""

    hop: int
    """Feature frames in one content frame."""
    uses_f0: bool
    """Whether `content` needs F0."""

    def content(self, mel: torch.Tensor, lengths: torch.Tensor, f0_hz: torch.Tensor | None = None) -> Content:
        """Encode stored log-mel (B, T, n_mels), T a multiple of `hop`; F0 (B, T) in Hz for models that use it."""


@runtime_checkable
class HasCodes(HasContent, Protocol):
    """`codes`: its content has a codebook."""

    quantizer: Quantizer

    def content(self, mel: torch.Tensor, lengths: torch.Tensor, f0_hz: torch.Tensor | None = None) -> CodedContent:
        """Encode stored log-mel; its frames are vectors of the codebook."""


@runtime_checkable
class HasPhonemes(HasContent, Protocol):
    """`phonemes`: encodes phonemes in the space of S."""

    def phonemes(self, phones: torch.Tensor, durations: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
        """Encode token ids (B, N) with durations (B, N) in feature frames: P (B, frames / hop, width)."""


@runtime_checkable
class Reads(HasContent, Protocol):
    """`read`: recognises phones from its content."""

    def read(self, content: Content) -> Readout:
        """Return the logits of every head."""


@runtime_checkable
class HasVoice(Protocol):
    """`voice`: encodes a prompt."""

    def voice(self, mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode stored log-mel (B, T, n_mels) of prompts: (B, features), without sampling."""


@runtime_checkable
class Speaks(HasContent, HasVoice, Protocol):
    """`speak`: decodes content in a voice."""

    def speak(self, content: Content, voice: torch.Tensor, keys: tuple[str, ...]) -> DecoderOutput:
        """Decode content with voices (B, features) to stored log-mel at the feature rate.

        Args:
            content: From `content`, or looked up from codes.
            voice: One row for each utterance.
            keys: Ids of the utterances: whatever is random is drawn from a generator keyed by them, so that padding and the
                order of a batch change nothing.
        """


PROTOCOLS = {
    "content": HasContent, "codes": HasCodes, "phonemes": HasPhonemes, "read": Reads, "voice": HasVoice, "speak": Speaks,
}  # fmt: skip
"""Protocol of each ability that a method may declare."""


def lacking(model: object, ability: str) -> list[str]:
    """List what a model lacks of an ability's protocol.

    `isinstance` does the same up to Python 3.11; later ones overlook the submodules of a `torch.nn.Module`.
    """
    parts = [(*vars(base), *vars(base).get("__annotations__", {})) for base in PROTOCOLS[ability].__mro__]
    names = {name for part in parts for name in part if not name.startswith("_")}
    return sorted(name for name in names if not hasattr(model, name))
