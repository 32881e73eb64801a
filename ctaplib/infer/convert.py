"""Any speech in any voice: the codes of one, the global vector of another.

Source: VQ-CTAP (arXiv 2408.05758), application figure: source mel -> speech encoder -> VQ -> speech decoder with
the target prompt's G; nothing is trained. Resynthesis is the same with the utterance as its own prompt.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.infer.batches import run_batched
from ctaplib.infer.prompts import DEFAULT_MATCH, MatchConfig, VoicePrompt, match_prompt
from ctaplib.infer.vocode import VocoderInput
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
        return _say(model, content.quantized.quantized, content.mask, [prompts[u] for u in ids], match)

    return run_batched(sources, compute)


def decode_codes(
    model: VQCTAP, codes: Sequence[torch.Tensor], prompts: Sequence[VoicePrompt], match: MatchConfig = DEFAULT_MATCH
) -> list[VocoderInput]:
    """Codes (T,) and voices to speech of 4 T frames."""
    padded, _ = pad_stack(list(codes), value=-1)
    return _say(model, model.quantizer.lookup(padded), padded >= 0, prompts, match)


def _say(
    model: VQCTAP, content: torch.Tensor, mask: torch.Tensor, prompts: Sequence[VoicePrompt], match: MatchConfig
) -> list[VocoderInput]:
    said = model.mel_decoder(content, mask, torch.stack([p.vector for p in prompts]))
    rows = zip(model.restore(said.mel), said.f0_hz, (4 * mask.sum(1)).tolist(), prompts)
    pitch = model.config.mel_decoder.pitch
    return [VocoderInput(match_prompt(mel[:n], prompt, match), f0[:n] if pitch else None) for mel, f0, n, prompt in rows]
