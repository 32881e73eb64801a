"""Any speech in any voice: the codes of one, the global vector of another.

Source: VQ-CTAP (arXiv 2408.05758), application figure: source mel -> speech encoder -> VQ -> speech decoder with
the target prompt's G; nothing is trained. Resynthesis is the same with the utterance as its own prompt.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.infer.batches import floored, run_batched
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
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Decode the content of each source with the vector of its prompt.

    Args:
        model: A trained model in evaluation mode.
        sources: Stored log-mel (T, n_mels) by id.
        prompts: Global vector by the same ids.

    Returns:
        Log-mel (T floored to a multiple of 4, n_mels) by id, and the seconds that each took.
    """

    def compute(ids: Sequence[str], mel: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        content = model.content(model.normalize(mel), lengths)
        prompt = torch.stack([prompts[u] for u in ids])
        out = model.restore(model.mel_decoder(content.quantized.quantized, content.mask, prompt))
        return [row[:n] for row, n in zip(out, lengths.tolist())]

    return run_batched(sources, compute)  # type: ignore[return-value]


def decode_codes(model: VQCTAP, codes: Sequence[torch.Tensor], prompts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Codes (T,) and global vectors to log-mel (4 T, n_mels)."""
    padded, lengths = pad_stack(list(codes), value=-1)
    mask = padded >= 0
    out = model.restore(model.mel_decoder(model.quantizer.lookup(padded), mask, torch.stack(list(prompts))))
    return [row[: 4 * n] for row, n in zip(out, lengths.tolist())]


def _middle(mel: torch.Tensor) -> torch.Tensor:
    start = max(0, (len(mel) - PROMPT_FRAMES) // 2)
    return floored(mel[start : start + PROMPT_FRAMES])
