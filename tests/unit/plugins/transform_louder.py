"""A transform that lives outside the library: raises the level of every utterance, and adds noise of its own."""

import numpy as np
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.batch import Padded
from ctaplib.data.transforms import Example, Transform


class LouderConfig(Config):
    """How much."""

    most: float = Field(1.0, ge=0)
    """Largest gain, natural logarithm."""


class Louder(Transform):
    """Adds a gain to the mel."""

    Config = LouderConfig

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        example.mel = example.mel + np.float32(rng.uniform(0.5, 1.0) * self.config.most)
        example.entries["frame_noise"] = Padded(rng.standard_normal((len(example.mel), 3)), hop=1)


TRANSFORM = Louder
