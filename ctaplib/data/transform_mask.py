"""Masking of bands and frames in the speech encoder's input.

Source: SpecAugment, Park et al. 2019, arXiv 1904.08779; the number of masks is our choice.
"""

import numpy as np
import torch
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Padded
from ctaplib.data.transforms import MASKED_MEL, Example, Transform


class MaskConfig(Config):
    """How much is masked."""

    mask_bands: int = Field(0, ge=0)
    """Largest number of neighbouring mel bands that are masked, twice, in the speech encoder's input (SpecAugment)."""
    mask_frames: int = Field(0, ge=0)
    """Largest number of neighbouring frames that are masked there, once a second (SpecAugment)."""


class Mask(Transform):
    """Replaces bands and frames of the encoder's input by the utterance's mean; the target keeps them."""

    Config = MaskConfig
    config: MaskConfig

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        config = self.config
        if not (config.mask_bands or config.mask_frames):
            return
        mel = torch.from_numpy(np.array(example.mel, dtype=np.float32))
        mean = mel.mean(0)
        for _ in range(2 if config.mask_bands else 0):
            width = int(rng.integers(config.mask_bands + 1))
            start = int(rng.integers(mel.shape[1] - width))
            mel[:, start : start + width] = mean[start : start + width]
        for _ in range(1 + int(len(mel) / self.rates.features.frames_per_s) if config.mask_frames else 0):
            width = min(int(rng.integers(config.mask_frames + 1)), len(mel) // 2)
            start = int(rng.integers(len(mel) - width))
            mel[start : start + width] = mean
        example.entries[MASKED_MEL] = Padded(mel.numpy(), hop=1)


TRANSFORM = Mask
