"""Utterances in padded batches of like lengths, and the time that each took."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import torch

from ctaplib.tensors import pad_stack

Result = TypeVar("Result")
FACTOR = 4

BATCH_FRAMES = 4000
"""Largest padded size of a batch in use, 10 ms frames."""


def floored(mel: torch.Tensor) -> torch.Tensor:
    """The mel without the frames that do not fill a code frame; at least one code frame, padded by repeating."""
    if len(mel) < FACTOR:
        return mel[torch.arange(FACTOR).clamp_max(len(mel) - 1)]
    return mel[: len(mel) // FACTOR * FACTOR]


def by_length(lengths: Mapping[str, int], batch_frames: int = BATCH_FRAMES) -> Iterator[list[str]]:
    """Ids in batches, the longest first."""
    batch: list[str] = []
    for utt in sorted(lengths, key=lambda u: (-lengths[u], u)):
        if batch and lengths[batch[0]] * (len(batch) + 1) > batch_frames:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


@torch.inference_mode()
def run_batched(
    inputs: Mapping[str, torch.Tensor],
    compute: Callable[[Sequence[str], torch.Tensor, torch.Tensor], Sequence[Result]],
    batch_frames: int = BATCH_FRAMES,
) -> tuple[dict[str, Result], dict[str, float]]:
    """Apply `compute(ids, mel (B, T, n_mels), lengths (B,))` to mels of any lengths.

    Returns:
        The result of each id, and the seconds of computing that fall to it, by its share of the batch's frames.
    """
    results: dict[str, Result] = {}
    seconds: dict[str, float] = {}
    for ids in by_length({u: len(m) for u, m in inputs.items()}, batch_frames):
        mel, lengths = pad_stack([floored(inputs[u]) for u in ids], multiple=FACTOR)
        started = time.perf_counter()
        found = compute(ids, mel, lengths)
        spent = time.perf_counter() - started
        for utt, result, length in zip(ids, found, lengths.tolist()):
            results[utt] = result
            seconds[utt] = spent * length / int(lengths.sum())
    return results, seconds
