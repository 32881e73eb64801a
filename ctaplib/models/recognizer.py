"""A recogniser: the speech encoder, the code book if wanted, and the phoneme and word heads.

The fine-tuned one starts from VQ-CTAP's parts; the supervised one and the judge start from nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.models.heads import PhonemeDecoder, PhonemeDecoderConfig, Readout, WordHead
from ctaplib.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ctaplib.models.speech_front import FACTOR
from ctaplib.nn.blocks import StackConfig
from ctaplib.nn.quantize import Quantized, QuantizerSlot, build_quantizer


class RecognizerConfig(Config):
    """Sizes of a recogniser."""

    n_mels: int = 80
    """Mel bands of the features."""
    speech: SpeechEncoderConfig = SpeechEncoderConfig()
    quantizer: QuantizerSlot | None = None
    """Code book between encoder and heads; none for a recogniser of continuous features."""
    phoneme_decoder: PhonemeDecoderConfig = PhonemeDecoderConfig()
    word_stack: StackConfig = StackConfig(layers=1, width=192, hidden=576)
    """Blocks of the word head, at 25 Hz."""


@dataclass(frozen=True)
class Recognized:
    """Logits of all heads, the mask at 25 Hz, and what the quantiser made."""

    read: Readout
    words: torch.Tensor | None
    mask: torch.Tensor
    quantized: Quantized | None


class Recognizer(nn.Module):
    """Mel to phones and word pieces.

    Args:
        config: Sizes.
        n_labels: Size of the label set.
        n_pieces: Number of word pieces; 0 leaves the word head out.
    """

    hop = FACTOR
    mel_mean: torch.Tensor
    mel_std: torch.Tensor

    def __init__(self, config: RecognizerConfig, n_labels: int, n_pieces: int) -> None:
        super().__init__()
        width = config.speech.stack.width
        self.speech_encoder = SpeechEncoder(config.speech, config.n_mels)
        self.quantizer = build_quantizer(config.quantizer, width) if config.quantizer else None
        self.phoneme_decoder = PhonemeDecoder(config.phoneme_decoder, width, n_labels)
        hidden = config.phoneme_decoder.stack.width
        self.word_head = WordHead(config.word_stack, hidden, n_pieces) if n_pieces else None
        self.register_buffer("mel_mean", torch.zeros(config.n_mels))
        self.register_buffer("mel_std", torch.ones(config.n_mels))

    def set_statistics(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Take the training set's mean and deviation of every mel band."""
        self.mel_mean.copy_(torch.as_tensor(mean))
        self.mel_std.copy_(torch.as_tensor(std))

    def normalize(self, mel: torch.Tensor) -> torch.Tensor:
        """Stored log-mel to zero mean and unit variance."""
        return (mel - self.mel_mean) / self.mel_std

    def forward(self, mel: torch.Tensor, lengths: torch.Tensor) -> Recognized:
        """Recognise.

        Args:
            mel: (B, T, n_mels) normalised log-mel, T a multiple of 4.
            lengths: (B,) valid frames.
        """
        x, mask = self.speech_encoder(mel, lengths)
        quantized = self.quantizer(x, mask) if self.quantizer is not None else None
        read = self.phoneme_decoder(x if quantized is None else quantized.quantized, mask)
        words = self.word_head(read.hidden, mask) if self.word_head is not None else None
        return Recognized(read, words, mask, quantized)
