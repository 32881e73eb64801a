"""Conversion: the content of one utterance in the voice of another; nothing is trained.

Source: VQ-CTAP (arXiv 2408.05758), application figure: source mel -> speech encoder -> VQ -> speech decoder with
the target prompt's G. Resynthesis is the same with the utterance as its own prompt.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.infer.batches import FeatureBatch, Features, run_batched
from ctaplib.infer.prompts import DEFAULT_MATCH, MatchConfig, VoicePrompt, match_prompt
from ctaplib.models.abilities import Content, Speaks


def convert(
    model: Speaks,
    sources: Mapping[str, Features],
    prompts: Mapping[str, VoicePrompt],
    match: MatchConfig = DEFAULT_MATCH,
) -> tuple[dict[str, Features], dict[str, float]]:
    """Decode the content of each source in the voice of its prompt.

    Args:
        model: A trained model in evaluation mode.
        sources: Features by id.
        prompts: Voice by the same ids.
        match: Matching to the prompt's statistics.

    Returns:
        Mel and F0 by id, floored to whole content frames, and the computing time of each in seconds.
    """

    def compute(batch: FeatureBatch) -> list[Features]:
        return decode(model, batch.content(model), batch.ids, [prompts[u] for u in batch.ids], match)

    return run_batched(sources, compute, model.hop)


def decode(
    model: Speaks, content: Content, ids: tuple[str, ...], prompts: Sequence[VoicePrompt], match: MatchConfig
) -> list[Features]:
    """Decode a batch of content to mel and F0 without padding, matched to the prompts."""
    output = model.speak(content, torch.stack([prompt.vector for prompt in prompts]), ids)
    frames = (model.hop * content.mask.sum(1)).tolist()
    tracks = [None] * len(ids) if output.f0_hz is None else list(output.f0_hz)
    return [
        Features(match_prompt(mel[:n], prompt, match), None if f0 is None else f0[:n])
        for mel, f0, n, prompt in zip(output.mel, tracks, frames, prompts)
    ]
