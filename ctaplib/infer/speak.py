"""Speech in the voice of a prompt: conversion of speech, and synthesis of phones.

Source: VQ-CTAP (arXiv 2408.05758), application figure. Conversion: source mel, speech encoder, quantizer, speech decoder with
the prompt's G; nothing is trained. Resynthesis is the same with the utterance as its own prompt. Synthesis: durations, P,
connector, nearest code where the method has codes, speech decoder.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ctaplib.errors import ConfigError, DataError
from ctaplib.infer.batches import FeatureBatch, Features, run_batched, run_by_length
from ctaplib.infer.prompts import DEFAULT_MATCH, MatchConfig, VoicePrompt, match_prompt
from ctaplib.models.abilities import Content, Speaks, lacking
from ctaplib.models.connector import Synthesis
from ctaplib.phones import SILENCE
from ctaplib.tasks.speech import SpeechTask
from ctaplib.tasks.tts import with_pauses
from ctaplib.tensors import length_mask, pad_stack

Outputs = tuple[dict[str, Features], dict[str, float]]
"""Mel and F0 by id, and the computing time of each in seconds."""
SHORTEST_PAUSE_S = 0.04
"""Predicted pauses shorter than this are left out."""
BATCH_PHONES = 600
"""Largest padded size of a batch, phones."""


def convert(
    model: Speaks,
    sources: Mapping[str, Features],
    prompts: Mapping[str, VoicePrompt],
    match: MatchConfig = DEFAULT_MATCH,
) -> Outputs:
    """Decode the content of each source in the voice of the prompt of the same id.

    Mel and F0 are floored to whole content frames.
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


def with_pause_slots(phones: Sequence[str], words: Sequence[str]) -> list[str]:
    """Put a silence at the ends and between words; the duration model may give it no frames."""
    return [phone for phone, _ in with_pauses([(phone, 0) for phone in phones], words, SILENCE)]


def synthesize(
    task: SpeechTask[Any],
    synthesis: Synthesis,
    phones: Mapping[str, Sequence[str]],
    *,
    prompts: Mapping[str, VoicePrompt],
    duration_prompts: Mapping[str, VoicePrompt] | None = None,
    speed: float = 1.0,
    match: MatchConfig = DEFAULT_MATCH,
) -> Outputs:
    """Synthesise phones, with pause slots (`with_pause_slots`), in the voice of the prompt of the same id.

    Args:
        task: The pre-trained model, or the fine-tuned converter.
        duration_prompts: Voices for the duration model, where those for the decoder come from a fine-tuned encoder.
        speed: 2 is twice as fast.

    Raises:
        DataError: phones that the model does not know (all are named), or none.
        ConfigError: the speed is not positive.
    """
    if not 0 < speed < math.inf:
        raise ConfigError(f"the speed is {speed:g}", expected="a positive number; 1 is that of the training speech")
    if silent := [u for u, ps in phones.items() if all(p == SILENCE for p in ps)]:
        raise DataError(f"{len(silent)} utterances have no phones", silent, expected="at least one phone besides silence")
    model, tokens = task.model, task.tokens
    unknown = [f"{u}: {' '.join(sorted({p for p in ps if p not in tokens}))}" for u, ps in phones.items()]
    unknown = [line for line in unknown if not line.endswith(": ")]
    if unknown:
        raise DataError(f"{len(unknown)} utterances have unknown phones", unknown, expected="phones of tokens.txt")

    def compute(ids: list[str]) -> list[Features]:
        padded, lengths = pad_stack([torch.tensor([tokens.id(p) for p in phones[u]]) for u in ids])
        voices = torch.stack([(duration_prompts or prompts)[u].vector for u in ids])
        frames = synthesis.duration(padded, length_mask(lengths, padded.shape[1]), voices).expm1().clamp_min(0.0) / speed
        durations = _durations(frames, lengths, padded == tokens.id(SILENCE), task.features.hop_s, model.hop)
        content = _content(model, synthesis, padded, durations)
        return decode(model, content, tuple(ids), [prompts[u] for u in ids], match)

    return run_by_length({u: len(p) for u, p in phones.items()}, compute, BATCH_PHONES)


def _durations(frames: torch.Tensor, lengths: torch.Tensor, pauses: torch.Tensor, hop_s: float, hop: int) -> torch.Tensor:
    """Round durations (B, N) to whole feature frames; the last phone fills each utterance up to whole content frames."""
    frames = torch.where(pauses, torch.where(frames < SHORTEST_PAUSE_S / hop_s, 0.0, frames), frames.clamp_min(1.0))
    ends = (frames * length_mask(lengths, frames.shape[1])).cumsum(1).round().long()
    durations = torch.diff(ends, dim=1, prepend=ends.new_zeros(len(ends), 1))
    missing = (-durations.sum(1)) % hop + hop * (durations.sum(1) == 0)
    durations[torch.arange(len(durations)), lengths - 1] += missing
    return durations


def _content(model: Any, synthesis: Synthesis, phones: torch.Tensor, durations: torch.Tensor) -> Content:
    """Predict content from phonemes: P, connector and, with a code book, the nearest code."""
    lengths = durations.sum(1)
    frames = int(lengths.max())
    phonemes = model.phonemes(phones, durations, lengths, frames)
    mask = length_mask(lengths // model.hop, frames // model.hop)
    speech = synthesis.connector(phonemes, mask)
    if not lacking(model, "codes"):
        speech = model.quantizer.lookup(model.quantizer.nearest(speech).masked_fill(~mask, -1))
    return Content(speech, mask)
