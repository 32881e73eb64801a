"""Plans of global batches: items of similar lengths together, the same batches for every number of ranks.

A plan is a list of batches; a batch is a list of item indices. Of `world` ranks, rank r takes `batch[r::world]`, so that
every rank has items in every step, and the global batch does not depend on `world`.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ctaplib.config import Config
from ctaplib.errors import DataError, shortened


class BatchConfig(Config):
    """Size of the global batches, and limits of the utterances."""

    batch_s: float = Field(32.0, gt=0, allow_inf_nan=False)
    """Seconds of audio in one global batch, padding included."""
    min_items: int = Field(8, ge=1)
    """A smaller batch, as the last one of an epoch may be, is merged into its neighbour. At least the number of ranks."""
    jitter: float = Field(0.05, ge=0)
    """Relative jitter of the lengths before sorting, so that batches differ between epochs. More jitter makes more padding:
    with some hundred seconds in a batch, 0.01 makes 1 %, and no batch is repeated."""
    pad_frames: int = Field(40, ge=1)
    """Padded lengths are multiples of so many feature frames, and of the model's hop. On a CPU, matrix products are compiled
    for every new shape: few shapes save more than padding costs. On a GPU, 4 pads least."""
    strict: bool = False
    """Never exceed `batch_s`: count the frames that `pad_frames` adds, and fill up a last batch of too few items from its
    neighbour, at most to half of both, instead of merging them."""
    min_s: float = Field(0.3, ge=0)
    """Shorter utterances are skipped and listed."""
    max_s: float = Field(20.0, gt=0)
    """Longer utterances are skipped and listed."""
    max_phones: int = Field(0, ge=0)
    """Utterances of more phones are skipped and listed; 0 for no limit."""


def plan_batches(lengths: Sequence[int], max_frames: int, config: BatchConfig, *, seed: int, epoch: int) -> list[list[int]]:
    """Cut items of `lengths` frames into batches whose padded size (items x longest item) is at most `max_frames`.

    In epoch 0 the largest batch comes first, so that memory runs out at once or never.

    Raises:
        DataError: an item alone is longer than `max_frames`; all of them are named.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    widths = -(-sizes // config.pad_frames) * config.pad_frames if config.strict else sizes
    long = np.flatnonzero(widths > max_frames)
    if len(long):
        raise DataError(
            f"{len(long)} items are longer than the batch of {max_frames} frames",
            shortened([f"item {i}: {sizes[i]} frames" for i in long]),
            fix="raise batch.batch_s or lower batch.max_s",
        )
    rng = np.random.default_rng((seed, epoch))
    jittered = sizes * (1 + config.jitter * rng.uniform(-1, 1, len(sizes)))
    falling = np.argsort(-jittered, kind="stable")
    batches = _cut(falling.tolist(), widths[falling].tolist(), max_frames)
    if len(batches) > 1 and len(batches[-1]) < config.min_items:
        last = batches.pop()
        both = batches[-1] + last
        kept = max(len(both) - config.min_items, len(both) - len(both) // 2)
        batches[-1:] = [both[:kept], both[kept:]] if config.strict else [both]
    order = rng.permutation(len(batches)).tolist()
    if epoch == 0:
        heaviest = max(range(len(batches)), key=lambda b: widths[batches[b]].max() * len(batches[b]))
        order.remove(heaviest)
        order.insert(0, heaviest)
    return [batches[b] for b in order]


def _cut(items: list[int], widths: list[int], max_frames: int) -> list[list[int]]:
    """Cut a list before each item that would make the padded size (items x widest) larger than `max_frames`."""
    batches: list[list[int]] = []
    start = widest = 0
    for here, width in enumerate(widths):
        if width > widest:
            widest = width
        if widest * (here - start + 1) > max_frames:
            batches.append(items[start:here])
            start, widest = here, width
    if items:
        batches.append(items[start:])
    return batches
