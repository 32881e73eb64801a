"""Mel warp and gain of the speech encoder's input: content that does not depend on voice and level."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Batch
from ctaplib.data.transforms import Example, Transform, warp_mel


class PerturbConfig(Config):
    """How much is changed."""

    warp: float = Field(0.0, ge=0, lt=1)
    """Largest relative stretch of the mel axis of the speech encoder's input."""
    gain: float = Field(0.0, ge=0)
    """Largest shift of the level of the speech encoder's input, in standard deviations."""


class Perturb(Transform):
    """Stretches the mel axis and shifts the level of the encoder's input; the entry `warp` is (B, 2, 2).

    Its rows are factor and gain, its columns the utterance and the clip of other speech.
    """

    Config = PerturbConfig
    config: PerturbConfig

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        factors, gains = 1 + rng.uniform(-1, 1, 2) * self.config.warp, rng.uniform(-1, 1, 2) * self.config.gain
        example.entries["warp"] = np.stack([factors, gains])

    def encoder_input(self, mel: torch.Tensor, batch: Batch, part: Literal["mel", "random"]) -> torch.Tensor:
        if "warp" not in batch.extra:
            return mel
        factor, gain = batch.extra["warp"][:, :, 0 if part == "mel" else 1].unbind(1)
        return warp_mel(mel, factor, gain)


TRANSFORM = Perturb
