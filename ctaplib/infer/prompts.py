"""A clip of the wanted voice: its global vector, and the mean and deviation of its mel bands.

A decoder that was trained to be right on average says an average: its spectrum is too smooth, and drifts from a voice it
has not heard to those it has. `match_prompt` moves what was said toward the clip's own statistics, band by band.

Source: Toda, Black and Tokuda 2007 (IEEE TASLP 15(8)), global variance, here in its simplest form: a line per band, for
the mean as well. The papers on (VQ-)CTAP have nothing like it: our choice; weights of 0 switch it off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ctaplib.config import Config
from ctaplib.infer.batches import floored, run_batched
from ctaplib.models.vqctap import VQCTAP

PROMPT_FRAMES = 600
"""Longest prompt used; of a longer one, the middle."""
SPEECH_BELOW_PEAK = 4.0
"""Frames whose mean log-mel is this far (nepers of power) below the loudest twentieth are pauses."""
LEAST_FRAMES = 25
"""Frames of speech that statistics need; of a shorter clip none are used."""
SCALES = (0.7, 2.0)
"""Least and largest scaling of a band's deviation."""


class MatchConfig(Config):
    """How far speech is moved toward its prompt's statistics."""

    mean: float = 1.0
    """Share of the way to the prompt's mean of every band."""
    deviation: float = 0.5
    """Share of the way to the prompt's deviation of every band."""


DEFAULT_MATCH = MatchConfig()


@dataclass(frozen=True)
class VoicePrompt:
    """What is known of a voice.

    Attributes:
        vector: (output,) G.
        statistics: (2, n_mels) mean and deviation of the stored log-mel's bands over its speech; None of a clip too short.
    """

    vector: torch.Tensor
    statistics: torch.Tensor | None


def read_prompts(model: VQCTAP, mels: Mapping[str, torch.Tensor]) -> dict[str, VoicePrompt]:
    """Vectors and statistics of clips: stored log-mel (T, n_mels) by id."""
    clips = {u: _middle(m) for u, m in mels.items()}

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        return list(model.prompt_encoder(model.normalize(mel), lengths).mean)

    vectors, _ = run_batched(clips, compute)
    return {u: VoicePrompt(vectors[u], speech_statistics(clip)) for u, clip in clips.items()}


def speech_frames(mel: torch.Tensor) -> torch.Tensor:
    """(T, n_mels) log-mel -> (T,) whether a frame is speech."""
    level = mel.mean(1)
    return level > level.quantile(0.95) - SPEECH_BELOW_PEAK


def speech_statistics(mel: torch.Tensor) -> torch.Tensor | None:
    """(T, n_mels) log-mel -> (2, n_mels) mean and deviation over its speech, or None where there is too little."""
    if len(mel) < LEAST_FRAMES:
        return None
    spoken = mel[speech_frames(mel)]
    return torch.stack([spoken.mean(0), spoken.std(0)]) if len(spoken) >= LEAST_FRAMES else None


def match_prompt(mel: torch.Tensor, prompt: VoicePrompt, config: MatchConfig) -> torch.Tensor:
    """Move the speech frames of a log-mel (T, n_mels) toward a prompt's statistics; pauses stay."""
    own = speech_statistics(mel)
    if own is None or prompt.statistics is None or (config.mean == 0 and config.deviation == 0):
        return mel
    (mean, deviation), (wanted_mean, wanted_deviation) = own, prompt.statistics
    scale = 1 + config.deviation * ((wanted_deviation / deviation.clamp_min(1e-3)).clamp(*SCALES) - 1)
    moved = (mel - mean) * scale + mean + config.mean * (wanted_mean - mean)
    return torch.where(speech_frames(mel).unsqueeze(1), moved, mel)


def _middle(mel: torch.Tensor) -> torch.Tensor:
    start = max(0, (len(mel) - PROMPT_FRAMES) // 2)
    return floored(mel[start : start + PROMPT_FRAMES])
