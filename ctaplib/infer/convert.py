"""Any speech in any voice: the codes of one, the global vector of another.

Source: VQ-CTAP (arXiv 2408.05758), application figure: source mel -> speech encoder -> VQ -> speech decoder with
the target prompt's G; nothing is trained. Resynthesis is the same with the utterance as its own prompt.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.infer.batches import run_batched
from ctaplib.infer.prompts import DEFAULT_MATCH, MatchConfig, VoicePrompt, match_prompt
from ctaplib.infer.vocode import VocoderInput
from ctaplib.models.abilities import Content
from ctaplib.models.vqctap import VQCTAP
from ctaplib.tensors import pad_stack


def convert(
    model: VQCTAP,
    sources: Mapping[str, torch.Tensor],
    prompts: Mapping[str, VoicePrompt],
    match: MatchConfig = DEFAULT_MATCH,
) -> tuple[dict[str, VocoderInput], dict[str, float]]:
    """Decode the content of each source with the vector of its prompt.

    Args:
        model: A trained model in evaluation mode.
        sources: Stored log-mel (T, n_mels) by id.
        prompts: Voice by the same ids.
        match: How far the speech is moved toward its prompt's statistics.

    Returns:
        Speech (T floored to a multiple of 4) by id, and the seconds that each took.
    """

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[VocoderInput]:
        content = model.content(mel, lengths)
        return _decode(model, content, [prompts[u] for u in ids], match, ids)

    return run_batched(sources, compute)


def decode_codes(
    model: VQCTAP, codes: Sequence[torch.Tensor], prompts: Sequence[VoicePrompt], match: MatchConfig = DEFAULT_MATCH
) -> list[VocoderInput]:
    """Codes (T,) and voices to speech of 4 T frames."""
    padded, _ = pad_stack(list(codes), value=-1)
    content = Content(model.quantizer.lookup(padded), padded >= 0)
    return _decode(model, content, prompts, match, [str(row) for row in range(len(codes))])


def _decode(
    model: VQCTAP, content: Content, prompts: Sequence[VoicePrompt], match: MatchConfig, keys: Sequence[str]
) -> list[VocoderInput]:
    output = model.speak(content, torch.stack([p.vector for p in prompts]), tuple(keys))
    f0s = [None] * len(prompts) if output.f0_hz is None else list(output.f0_hz)
    rows = zip(output.mel, f0s, (model.hop * content.mask.sum(1)).tolist(), prompts)
    return [VocoderInput(match_prompt(mel[:n], prompt, match), None if f0 is None else f0[:n]) for mel, f0, n, prompt in rows]
