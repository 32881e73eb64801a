"""Mel to waves: the trained vocoder, or Griffin-Lim where none was trained, which is said."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch

from ctaplib.data.features import FeatureConfig
from ctaplib.errors import CheckpointError
from ctaplib.infer.batches import by_length
from ctaplib.infer.griffin_lim import griffin_lim
from ctaplib.models.vocoder import Vocoder
from ctaplib.runlog import get_logger
from ctaplib.tasks.base import load_task

log = get_logger("ctaplib.infer")


def load_vocoder(exp: Path, features: FeatureConfig) -> Vocoder | None:
    """The trained vocoder of a run's folder; None, and a warning, where there is none.

    Raises:
        CheckpointError: it was trained on other features.
    """
    if not (exp / "checkpoints" / "best.pt").exists():
        log.warning("%s holds no vocoder: speech is made by Griffin-Lim, a fall-back of poor quality (run stage 10)", exp)
        return None
    task = load_task(exp)
    if task.features != features:  # type: ignore[attr-defined]
        raise CheckpointError(f"{exp} was trained on other features than the model", fix="train it on the same dump")
    return task.model  # type: ignore[return-value]


@torch.inference_mode()
def make_waves(
    mels: Mapping[str, torch.Tensor], vocoder: Vocoder | None, features: FeatureConfig
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Waves of log-mels, and the seconds that each took.

    Args:
        mels: Stored log-mel (T, n_mels) by id.
        vocoder: The vocoder; None for Griffin-Lim.
        features: Settings of the mel.
    """
    waves: dict[str, torch.Tensor] = {}
    seconds: dict[str, float] = {}
    for ids in by_length({u: len(m) for u, m in mels.items()}, batch_frames=2400):
        started = time.perf_counter()
        rows = [mels[u].float() for u in ids]
        made = griffin_lim(rows, features) if vocoder is None else vocoder.generate(rows)
        spent = time.perf_counter() - started
        frames = sum(len(r) for r in rows)
        for utt, row, wave in zip(ids, rows, made):
            waves[utt], seconds[utt] = wave, spent * len(row) / frames
    return waves, seconds
