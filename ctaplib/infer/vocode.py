"""Mel spectrograms to waveforms, with the vocoder of a run or with Griffin-Lim."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from ctaplib.audio.settings import FeatureConfig
from ctaplib.errors import ConfigError
from ctaplib.infer.batches import by_length
from ctaplib.models.griffin_lim import GriffinLim
from ctaplib.tasks.load import load_task
from ctaplib.tasks.vocoder import VocoderTask


@dataclass(frozen=True)
class VocoderInput:
    """What is made into a waveform.

    Attributes:
        mel: (T, n_mels) log-mel.
        f0_hz: (T,) F0, 0 where unvoiced; None where the vocoder is to read it from the mel.
    """

    mel: torch.Tensor
    f0_hz: torch.Tensor | None = None


class MakesWaves(Protocol):
    """What turns log-mel spectrograms (T, n_mels) into waveforms (T * hop,)."""

    def generate(self, log_mels: Sequence[torch.Tensor], f0s_hz: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Waveforms, each as if it were alone."""


def load_vocoder(run: Path | None, features: FeatureConfig) -> MakesWaves:
    """The vocoder of a run's folder; without a run Griffin-Lim, which says so.

    Raises:
        ConfigError: the folder holds another task, or a vocoder for another front end.
        CheckpointError: the run is not complete.
    """
    if run is None:
        return GriffinLim(features)
    task = load_task(run)
    if not isinstance(task, VocoderTask):
        raise ConfigError(f"{run} holds {task.name}", expected="a trained vocoder", fix="run stage 10 (vocoder)")
    ours, theirs = task.features.model_dump(), features.model_dump()
    differing = [f"{k} {ours[k]} there, {theirs[k]} here" for k in ours if ours[k] != theirs[k] and not k.startswith("f0_")]
    if differing:
        raise ConfigError(
            f"the vocoder {run} was trained on other features: {'; '.join(differing)}",
            fix="train it on these features (stages 3 and 10)",
        )
    return task.model.generator


def vocode(vocoder: MakesWaves, speech: Mapping[str, VocoderInput]) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Waveforms of speech by id, and the seconds of computing that fall to each; all have F0, or none has."""
    waves: dict[str, torch.Tensor] = {}
    seconds: dict[str, float] = {}
    for ids in by_length({u: len(s.mel) for u, s in speech.items()}):
        started = time.perf_counter()
        pitches = [f0 for u in ids if (f0 := speech[u].f0_hz) is not None]
        waves |= zip(ids, vocoder.generate([speech[u].mel for u in ids], pitches or None))
        spent = time.perf_counter() - started
        frames = sum(len(speech[u].mel) for u in ids)
        seconds |= {u: spent * len(speech[u].mel) / frames for u in ids}
    return waves, seconds
