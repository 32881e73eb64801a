"""Phones in any voice: durations, P, connector, nearest code, decoder.

Source: VQ-CTAP (arXiv 2408.05758), application figure.
"""

import time
from collections.abc import Mapping, Sequence

import torch

from ctaplib.errors import DataError
from ctaplib.infer.batches import by_length
from ctaplib.infer.convert import decode_codes
from ctaplib.infer.prompts import DEFAULT_MATCH, MatchConfig, VoicePrompt
from ctaplib.infer.vocode import VocoderInput
from ctaplib.models.connector import Synthesis
from ctaplib.models.vqctap import VQCTAP
from ctaplib.phones import SILENCE
from ctaplib.tensors import length_mask, pad_stack
from ctaplib.text.tokens import TokenList

SHORTEST_PAUSE = 4
"""Predicted pauses shorter than this many 10 ms frames are left out."""


def with_pause_slots(phones: Sequence[str], words: Sequence[str]) -> list[str]:
    """Phones with a silence at the ends and between words, whose length the duration model may set to nothing."""
    slots = [SILENCE]
    for i, phone in enumerate(phones):
        if i > 0 and i < len(words) and words[i] != words[i - 1]:
            slots.append(SILENCE)
        slots.append(phone)
    return [*slots, SILENCE]


@torch.inference_mode()
def synthesize(
    frozen: VQCTAP,
    synthesis: Synthesis,
    tokens: TokenList,
    phones: Mapping[str, Sequence[str]],
    *,
    prompts: Mapping[str, VoicePrompt],
    duration_prompts: Mapping[str, VoicePrompt] | None = None,
    speed: float = 1.0,
    match: MatchConfig = DEFAULT_MATCH,
) -> tuple[dict[str, VocoderInput], dict[str, float]]:
    """Speak phones.

    Args:
        frozen: The pre-trained model.
        synthesis: Duration model and connector.
        tokens: Token list of the recipe.
        phones: Phones by id, with pause slots (`with_pause_slots`).
        prompts: Voice by id.
        duration_prompts: Voices for the duration model, where the decoder's come from a fine-tuned encoder.
        speed: 2 is twice as fast.
        match: How far the speech is moved toward its prompt's statistics.

    Returns:
        Speech by id, and the seconds that each took.

    Raises:
        DataError: phones that the model does not know; all are named.
    """
    unknown = [f"{u}: {' '.join(sorted({p for p in ps if p not in tokens}))}" for u, ps in phones.items()]
    unknown = [line for line in unknown if not line.endswith(": ")]
    if unknown:
        raise DataError(f"{len(unknown)} utterances have unknown phones", unknown, expected="phones of tokens.txt")
    spoken: dict[str, VocoderInput] = {}
    seconds: dict[str, float] = {}
    for ids in by_length({u: len(p) for u, p in phones.items()}, batch_frames=600):
        started = time.perf_counter()
        rows = [torch.tensor([tokens.id(p) for p in phones[u]]) for u in ids]
        padded, lengths = pad_stack(rows)
        timing = torch.stack([(duration_prompts or prompts)[u].vector for u in ids])
        durations = _durations(synthesis, padded, lengths, timing, tokens.id(SILENCE), speed)
        codes = _codes(frozen, synthesis, padded, durations)
        spoken |= zip(ids, decode_codes(frozen, codes, [prompts[u] for u in ids], match))
        spent = time.perf_counter() - started
        frames = sum(len(spoken[u].mel) for u in ids)
        seconds |= {u: spent * len(spoken[u].mel) / frames for u in ids}
    return spoken, seconds


def _durations(
    synthesis: Synthesis, phones: torch.Tensor, lengths: torch.Tensor, prompt: torch.Tensor, silence: int, speed: float
) -> torch.Tensor:
    """Whole 10 ms frames of every phone; each utterance's sum is a multiple of 4, made up by its last phone."""
    mask = length_mask(lengths, phones.shape[1])
    frames = torch.expm1(synthesis.duration(phones, mask, prompt)).clamp_min(0.0) / speed
    pause = phones == silence
    frames = torch.where(pause, torch.where(frames < SHORTEST_PAUSE, 0.0, frames), frames.clamp_min(1.0))
    ends = (frames * mask).cumsum(1).round().long()
    durations = torch.diff(ends, dim=1, prepend=ends.new_zeros(len(ends), 1))
    missing = (-durations.sum(1)) % 4 + 4 * (durations.sum(1) == 0)
    durations[torch.arange(len(durations)), lengths - 1] += missing
    return durations


def _codes(frozen: VQCTAP, synthesis: Synthesis, phones: torch.Tensor, durations: torch.Tensor) -> list[torch.Tensor]:
    """Codes (T,) of every utterance: P, connector, minimum distance."""
    lengths = durations.sum(1)
    frames = int(lengths.max())
    phonemes = frozen.phoneme_encoder(phones, durations, lengths, frames)
    mask = length_mask(lengths // 4, frames // 4)
    codes = frozen.quantizer.nearest(synthesis.connector(phonemes, mask))
    return [row[: n // 4] for row, n in zip(codes, lengths.tolist())]
