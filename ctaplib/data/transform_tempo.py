"""Change of tempo of an utterance: mel, F0, durations and labels alike."""

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field

from ctaplib.config import Config
from ctaplib.data.transforms import Example, Transform


class TempoConfig(Config):
    """How much is changed."""

    tempo: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of tempo, of mel, F0, durations and labels alike."""


class Tempo(Transform):
    """Stretches an utterance in time."""

    Config = TempoConfig
    config: TempoConfig

    def apply(self, example: Example, rng: np.random.Generator) -> None:
        if self.config.tempo > 0:
            change_tempo(example, 1 + rng.uniform(-1, 1) * self.config.tempo, self.rates.hop)


def change_tempo(example: Example, factor: float, hop: int) -> None:
    """Stretch an utterance in time by `factor`, in place, to whole content frames of `hop` feature frames.

    Mel frames lie on a line between their neighbours.
    """
    old = len(example.mel)
    frames = max(hop, int(old * factor) // hop * hop)
    ratio = frames / old
    nearest = np.minimum(((np.arange(frames) + 0.5) / ratio).astype(int), old - 1)
    example.f0_hz = example.f0_hz[nearest]
    if example.labelled is not None:
        durations = np.diff(np.rint(np.cumsum(example.labelled.durations) * ratio).astype(np.int64), prepend=0)
        frame_labels = example.labelled.frame_labels[nearest[hop // 2 :: hop] // hop]
        example.labelled = replace(example.labelled, durations=durations, frame_labels=frame_labels)
    mel = torch.from_numpy(np.array(example.mel, dtype=np.float32)).T[None]
    stretched = torch.nn.functional.interpolate(mel, size=frames, mode="linear", align_corners=False)
    example.mel = stretched[0].T.contiguous().numpy()


TRANSFORM = Tempo
