"""Prompts: the voice of a clip, and the mean and deviation of its mel bands.

The output of a decoder trained for the least error is an average: its spectrum is too smooth, and its voice drifts toward
those it was trained on. `match_prompt` moves the output toward the clip's own statistics, band by band.

Source: Toda, Black and Tokuda 2007 (IEEE TASLP 15(8)), global variance, here in its simplest form: a line per band, for
the mean as well. The papers on (VQ-)CTAP have nothing like it: our choice; weights of 0 switch it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ctaplib.config import Config
from ctaplib.infer.batches import Features, floored, run_batched
from ctaplib.models.abilities import Speaks
from ctaplib.tasks.speech import SpeechTask

PROMPT_S = 6.0
"""Longest prompt used; of a longer one, the middle."""
SPEECH_BELOW_PEAK = 4.0
"""Frames whose mean log-mel is this far (nepers of power) below the loudest twentieth are pauses."""
LEAST_SPEECH_S = 0.25
"""Speech that statistics need; a clip with less has none."""
SCALES = (0.7, 2.0)
"""Least and largest scaling of a band's deviation."""


class MatchConfig(Config):
    """Matching of decoded speech to the statistics of its prompt."""

    mean: float = 1.0
    """Share of the way to the prompt's mean of every band."""
    deviation: float = 0.5
    """Share of the way to the prompt's deviation of every band."""


DEFAULT_MATCH = MatchConfig()


@dataclass(frozen=True)
class VoicePrompt:
    """A voice, from a clip: the vector (features,) of the model's `voice`, and what `speech_statistics` returns for the clip."""

    vector: torch.Tensor
    statistics: torch.Tensor | None
    hop_s: float


def encode_prompts(task: SpeechTask[Any], clips: Mapping[str, torch.Tensor]) -> dict[str, VoicePrompt]:
    """Encode clips, stored log-mel (T, n_mels) by id, as voices."""
    model: Speaks = task.model
    hop_s = task.features.hop_s
    longest = round(PROMPT_S / hop_s)
    middles = {u: floored(mel[max(0, (len(mel) - longest) // 2) :][:longest], model.hop) for u, mel in clips.items()}
    inputs = {u: Features(mel) for u, mel in middles.items()}
    vectors, _ = run_batched(inputs, lambda batch: list(model.voice(batch.mel, batch.lengths)), model.hop)
    return {u: VoicePrompt(vectors[u], speech_statistics(mel, hop_s), hop_s) for u, mel in middles.items()}


def speech_frames(mel: torch.Tensor) -> torch.Tensor:
    """Return which frames of a log-mel (T, n_mels) are speech: (T,) bool."""
    level = mel.mean(1)
    return level > level.quantile(0.95) - SPEECH_BELOW_PEAK


def speech_statistics(mel: torch.Tensor, hop_s: float) -> torch.Tensor | None:
    """Return mean and deviation (2, n_mels) of a log-mel (T, n_mels) over its speech, or None where there is too little."""
    least = round(LEAST_SPEECH_S / hop_s)
    if len(mel) < least:
        return None
    speech = mel[speech_frames(mel)]
    return torch.stack([speech.mean(0), speech.std(0)]) if len(speech) >= least else None


def match_prompt(mel: torch.Tensor, prompt: VoicePrompt, config: MatchConfig) -> torch.Tensor:
    """Move the speech frames of a log-mel (T, n_mels) toward a prompt's statistics; pauses stay."""
    own = speech_statistics(mel, prompt.hop_s)
    if own is None or prompt.statistics is None or (config.mean == 0 and config.deviation == 0):
        return mel
    (mean, deviation), (prompt_mean, prompt_deviation) = own, prompt.statistics
    scale = 1 + config.deviation * ((prompt_deviation / deviation.clamp_min(1e-3)).clamp(*SCALES) - 1)
    moved = (mel - mean) * scale + mean + config.mean * (prompt_mean - mean)
    return torch.where(speech_frames(mel).unsqueeze(1), moved, mel)
