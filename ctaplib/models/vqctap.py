"""VQ-CTAP: three encoders, one codebook, two decoders.

    P = PhonemeEncoder(LengthRegulator(phonemes, durations))
    S, R = SpeechEncoder(mel)            of labelled and of other speech
    G = PromptEncoder(clip)              one global vector
    Ŝ, R̂ = Quantizer(S), Quantizer(R)   one codebook
    phones = PhonemeDecoder(Ŝ)           mel, F0 = Decoder(Ŝ, G)

Source: VQ-CTAP (arXiv 2408.05758), model figure. Perturbing the speech encoder's input is our choice.
"""

from dataclasses import replace
from typing import Self

import numpy as np
import torch
from pydantic import model_validator
from torch import nn

from ctaplib.config import Config
from ctaplib.models.abilities import CodedContent, Content, DecoderOutput
from ctaplib.models.decoder import Decoder, DecoderSlot
from ctaplib.models.heads import PhonemeDecoder, PhonemeDecoderConfig, Readout
from ctaplib.models.normalizer import MelNormalizer
from ctaplib.models.phoneme_encoder import PhonemeEncoder, PhonemeEncoderConfig
from ctaplib.models.prompt_encoder import PromptEncoder, PromptEncoderConfig
from ctaplib.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ctaplib.nn.quantize import Quantizer, QuantizerSlot


class VQCTAPConfig(Config):
    """Sizes of all parts."""

    n_mels: int = 80
    """Mel bands of the features."""
    speech: SpeechEncoderConfig = SpeechEncoderConfig()
    phoneme: PhonemeEncoderConfig = PhonemeEncoderConfig()
    prompt: PromptEncoderConfig = PromptEncoderConfig()
    quantizer: QuantizerSlot = QuantizerSlot()
    phoneme_decoder: PhonemeDecoderConfig = PhonemeDecoderConfig()
    mel_decoder: DecoderSlot = DecoderSlot()
    temperature: float = 0.07
    """Initial temperature of the contrastive loss; it is learned."""

    @model_validator(mode="after")
    def _same_width(self) -> Self:
        speech, phoneme = self.speech.stack.width, self.phoneme.stack.width
        if speech != phoneme:
            raise ValueError(
                f"speech.stack.width is {speech} and phoneme.stack.width {phoneme}: S and P are contrasted and need one width"
            )
        return self


class VQCTAP(MelNormalizer):
    """The model. Its task calls the parts; everybody else uses its abilities (`ctaplib/models/abilities.py`).

    Tokens are phones with stress, labels those without.
    """

    uses_f0 = False

    def __init__(self, config: VQCTAPConfig, n_tokens: int, n_labels: int) -> None:
        super().__init__(config.n_mels)
        self.config, self.hop = config, config.speech.hop
        width = config.speech.stack.width
        self.speech_encoder = SpeechEncoder(config.speech, config.n_mels)
        self.phoneme_encoder = PhonemeEncoder(config.phoneme, n_tokens, self.hop)
        self.prompt_encoder = PromptEncoder(config.prompt, config.n_mels)
        self.quantizer: Quantizer = config.quantizer.build(width)
        self.phoneme_decoder = PhonemeDecoder(config.phoneme_decoder, width, n_labels)
        self.mel_decoder: Decoder = config.mel_decoder.build(width, config.prompt.output, config.n_mels, self.hop)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / config.temperature))))

    def scale(self) -> torch.Tensor:
        """Return the inverse temperature of the contrastive loss, at most 100."""
        return self.log_scale.clamp(max=float(np.log(100.0))).exp()

    def encode(self, mel: torch.Tensor, lengths: torch.Tensor) -> CodedContent:
        """Encode normalised log-mel (B, T, n_mels): S, Ŝ and codes."""
        speech, mask = self.speech_encoder(mel, lengths)
        return CodedContent(speech, mask, self.quantizer(speech, mask))

    # Abilities: stored log-mel, not normalised, as input and output.

    def content(self, mel: torch.Tensor, lengths: torch.Tensor, f0_hz: torch.Tensor | None = None) -> CodedContent:
        """Encode stored log-mel (B, T, n_mels); F0 is not used."""
        return self.encode(self.normalize(mel), lengths)

    def phonemes(self, phones: torch.Tensor, durations: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
        """Encode token ids with durations: P (B, frames / hop, width)."""
        return self.phoneme_encoder(phones, durations, lengths, frames)

    def read(self, content: Content) -> Readout:
        """Return the logits of both heads of the phoneme decoder."""
        return self.phoneme_decoder(content.frames, content.mask)

    def voice(self, mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the mean of G (B, features) of stored log-mel."""
        return self.prompt_encoder(self.normalize(mel), lengths).mean

    def speak(self, content: Content, voice: torch.Tensor, keys: tuple[str, ...]) -> DecoderOutput:
        """Decode content with the voice G."""
        output = self.mel_decoder(content, voice, keys)
        return replace(output, mel=self.restore(output.mel))
