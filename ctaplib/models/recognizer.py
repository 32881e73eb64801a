"""A recogniser: the speech encoder, the code book if wanted, and the phoneme and word heads.

The fine-tuned one starts from VQ-CTAP's parts; the supervised one and the judge start from nothing.
"""

from dataclasses import dataclass

import torch

from ctaplib.config import Config
from ctaplib.models.heads import PhonemeDecoder, PhonemeDecoderConfig, Readout, WordHead
from ctaplib.models.normalizer import MelNormalizer
from ctaplib.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ctaplib.nn.blocks import StackConfig
from ctaplib.nn.quantize import Quantized, Quantizer, QuantizerSlot


class RecognizerConfig(Config):
    """Sizes of a recogniser."""

    n_mels: int = 80
    """Mel bands of the features."""
    speech: SpeechEncoderConfig = SpeechEncoderConfig()
    quantizer: QuantizerSlot | None = None
    """Code book between encoder and heads; none for a recogniser of continuous features."""
    phoneme_decoder: PhonemeDecoderConfig = PhonemeDecoderConfig()
    word_stack: StackConfig = StackConfig(layers=1, width=192, hidden=576)
    """Blocks of the word head, at the rate of the content."""


@dataclass(frozen=True)
class Recognized:
    """Logits of all heads, the mask (B, T / hop), and the output of the quantizer."""

    read: Readout
    words: torch.Tensor | None
    mask: torch.Tensor
    quantized: Quantized | None


class Recognizer(MelNormalizer):
    """Mel to phones and word pieces.

    Args:
        config: Sizes.
        n_labels: Size of the label set.
        n_pieces: Number of word pieces; 0 leaves the word head out.
    """

    def __init__(self, config: RecognizerConfig, n_labels: int, n_pieces: int) -> None:
        super().__init__(config.n_mels)
        self.hop = config.speech.hop
        width = config.speech.stack.width
        self.speech_encoder = SpeechEncoder(config.speech, config.n_mels)
        self.quantizer: Quantizer | None = config.quantizer.build(width) if config.quantizer else None
        self.phoneme_decoder = PhonemeDecoder(config.phoneme_decoder, width, n_labels)
        hidden = config.phoneme_decoder.stack.width
        self.word_head = WordHead(config.word_stack, hidden, n_pieces) if n_pieces else None

    def forward(self, mel: torch.Tensor, lengths: torch.Tensor) -> Recognized:
        """Recognise.

        Args:
            mel: (B, T, n_mels) normalised log-mel, T a multiple of `hop`.
            lengths: (B,) valid frames.
        """
        x, mask = self.speech_encoder(mel, lengths)
        quantized = self.quantizer(x, mask) if self.quantizer is not None else None
        read = self.phoneme_decoder(x if quantized is None else quantized.quantized, mask)
        words = self.word_head(read.hidden, mask) if self.word_head is not None else None
        return Recognized(read, words, mask, quantized)
