"""A recogniser: speech encoder, optional codebook, phoneme and word heads.

The fine-tuned one starts from the parts of a pre-trained model; the supervised one and the judge from random weights.
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
    """Codebook between encoder and heads; none for a recogniser of continuous features."""
    phoneme_decoder: PhonemeDecoderConfig = PhonemeDecoderConfig()
    word_stack: StackConfig = StackConfig(layers=1, width=192, hidden=576)
    """Blocks of the word head, at the rate of the content."""


@dataclass(frozen=True)
class Recognized:
    """Logits of all heads, mask (B, T / hop), and output of the quantizer."""

    read: Readout
    words: torch.Tensor | None
    mask: torch.Tensor
    quantized: Quantized | None


class Recognizer(MelNormalizer):
    """Recogniser of phones and word pieces; without a word head if `n_pieces` is 0."""

    uses_f0 = False

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
        """Compute the logits of all heads from normalised log-mel (B, T, n_mels), T a multiple of `hop`."""
        x, mask = self.speech_encoder(mel, lengths)
        quantized = self.quantizer(x, mask) if self.quantizer is not None else None
        read = self.phoneme_decoder(x if quantized is None else quantized.quantized, mask)
        words = self.word_head(read.hidden, mask) if self.word_head is not None else None
        return Recognized(read, words, mask, quantized)
