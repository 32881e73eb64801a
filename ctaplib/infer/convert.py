"""Any speech in any voice: the codes of one, the global vector of another.

Source: VQ-CTAP (arXiv 2408.05758), application figure: source mel -> speech encoder -> VQ -> speech decoder with
the target prompt's G; nothing is trained. Resynthesis is the same with the utterance as its own prompt.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.infer.batches import floored, run_batched
from ctaplib.infer.vocode import Speech
from ctaplib.models.vqctap import VQCTAP
from ctaplib.tensors import pad_stack

PROMPT_FRAMES = 600
"""Longest prompt used; of a longer one, the middle."""


def prompt_vectors(model: VQCTAP, mels: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Global vectors (output,) of clips: stored log-mel (T, n_mels) by id."""

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        return list(model.prompt_encoder(model.normalize(mel), lengths).mean)

    return run_batched({u: _middle(m) for u, m in mels.items()}, compute)[0]  # type: ignore[return-value]


def convert(
    model: VQCTAP, sources: Mapping[str, torch.Tensor], prompts: Mapping[str, torch.Tensor]
) -> tuple[dict[str, Speech], dict[str, float]]:
    """Decode the content of each source with the vector of its prompt.

    Args:
        model: A trained model in evaluation mode.
        sources: Stored log-mel (T, n_mels) by id.
        prompts: Global vector by the same ids.

    Returns:
        Speech (T floored to a multiple of 4) by id, and the seconds that each took.
    """

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[Speech]:
        content = model.content(model.normalize(mel), lengths)
        prompt = torch.stack([prompts[u] for u in ids])
        return _say(model, content.quantized.quantized, content.mask, prompt)

    return run_batched(sources, compute)  # type: ignore[return-value]


def decode_codes(model: VQCTAP, codes: Sequence[torch.Tensor], prompts: Sequence[torch.Tensor]) -> list[Speech]:
    """Codes (T,) and global vectors to speech of 4 T frames."""
    padded, _ = pad_stack(list(codes), value=-1)
    return _say(model, model.quantizer.lookup(padded), padded >= 0, torch.stack(list(prompts)))


def _say(model: VQCTAP, content: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor) -> list[Speech]:
    said = model.mel_decoder(content, mask, prompt)
    rows = zip(model.restore(said.mel), said.f0_hz, (4 * mask.sum(1)).tolist())
    pitch = model.config.mel_decoder.pitch
    return [Speech(mel[:n], f0[:n] if pitch else None) for mel, f0, n in rows]


def _middle(mel: torch.Tensor) -> torch.Tensor:
    start = max(0, (len(mel) - PROMPT_FRAMES) // 2)
    return floored(mel[start : start + PROMPT_FRAMES])
