"""Mel spectrograms to waveforms, with the vocoder of a run or with Griffin-Lim."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch

from ctaplib.audio.settings import FeatureConfig
from ctaplib.errors import ConfigError
from ctaplib.infer.batches import Features, run_by_length
from ctaplib.models.griffin_lim import GriffinLim
from ctaplib.tasks.load import load_task
from ctaplib.tasks.vocoder import VocoderTask


class MakesWaves(Protocol):
    """A vocoder: log-mel spectrograms (T, n_mels) to waveforms (T * hop,)."""

    def generate(self, log_mels: Sequence[torch.Tensor], f0s_hz: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Generate waveforms; each is the same as if it were alone."""


def load_vocoder(run: Path | None, features: FeatureConfig) -> MakesWaves:
    """Load the vocoder of a run's folder; without a run return Griffin-Lim, which logs a warning.

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


def vocode(vocoder: MakesWaves, speech: Mapping[str, Features]) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Generate waveforms by id, and their computing times in seconds; either all inputs have F0, or none has."""

    def compute(ids: list[str]) -> list[torch.Tensor]:
        tracks = [f0 for u in ids if (f0 := speech[u].f0_hz) is not None]
        return vocoder.generate([speech[u].mel for u in ids], tracks or None)

    return run_by_length({u: len(s.mel) for u, s in speech.items()}, compute)
