"""Mel warp of target and prompt together, which simulates further speakers."""

import numpy as np
import torch
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Batch
from ctaplib.data.transforms import Example, Transform, warp_mel, warp_pitch


class VoiceConfig(Config):
    """Strength of the warp."""

    voice: float = Field(0.0, ge=0, lt=1)
    """Maximum relative stretch of the mel axis of target and prompt together; simulates further speakers."""


class Voice(Transform):
    """Stretches the mel axis of target and prompt, and the F0 of the target; the entry `voice` is (B,)."""

    Config = VoiceConfig
    config: VoiceConfig

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        """Draw a factor, also where it is not used: the draws of the other transforms must not depend on it."""
        factor = 1 + rng.uniform(-1, 1) * self.config.voice
        if self.config.voice:
            example.entries["voice"] = np.array(factor)

    def target(
        self, mel: torch.Tensor, prompt: torch.Tensor, f0_hz: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        factor = batch.extra.get("voice")
        if factor is None:
            return mel, prompt, f0_hz
        level = torch.zeros_like(factor)
        return warp_mel(mel, factor, level), warp_mel(prompt, factor, level), warp_pitch(f0_hz, factor)


TRANSFORM = Voice
