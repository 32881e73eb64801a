"""Global batches of like lengths, the same list for every number of processes.

A plan is a list of batches; a batch is a list of item indices. With `world` processes, process r
takes `batch[r::world]`, so no process ever runs dry and the global batch never depends on `world`.
"""

from collections.abc import Sequence

import numpy as np

from ctaplib.config import Config
from ctaplib.errors import DataError


class BatchConfig(Config):
    """How many frames go into one global batch."""

    batch_s: float = 32.0
    """Seconds of audio in one global batch, padding included."""
    min_items: int = 2
    """Smaller batches, left over at the end of an epoch, are merged into their neighbour."""
    jitter: float = 0.05
    """Relative jitter of the lengths before sorting, so that batches differ between epochs."""
    min_s: float = 0.3
    """Shorter utterances are left out of training, and listed."""
    max_s: float = 20.0
    """Longer utterances are left out of training, and listed."""
    max_phones: int = 0
    """Utterances of more phones are left out of training, and listed; 0 for no limit."""


def plan_batches(lengths: Sequence[int], max_frames: int, config: BatchConfig, *, seed: int, epoch: int) -> list[list[int]]:
    """Cut the items into batches whose padded size is at most `max_frames`.

    Args:
        lengths: Frames of each item.
        max_frames: Upper bound of (items x longest item).
        config: Jitter and smallest batch.
        seed: Seed of the run.
        epoch: Counts from 0; in epoch 0 the longest batch comes first, so that memory runs out at once or never.

    Raises:
        DataError: an item alone is longer than `max_frames`; all of them are named.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    long = np.flatnonzero(sizes > max_frames)
    if len(long):
        raise DataError(
            f"{len(long)} items are longer than the batch of {max_frames} frames",
            [f"item {i}: {sizes[i]} frames" for i in long[:20]],
            fix="raise batch.batch_s or lower batch.max_s",
        )
    rng = np.random.default_rng((seed, epoch))
    jittered = sizes * (1 + config.jitter * rng.uniform(-1, 1, len(sizes)))
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for item in np.argsort(-jittered, kind="stable").tolist():
        longest = max(longest, int(sizes[item]))
        if current and longest * (len(current) + 1) > max_frames:
            batches.append(current)
            current, longest = [], int(sizes[item])
        current.append(item)
    if current:
        if len(current) < config.min_items and batches:
            batches[-1] = batches[-1] + current
        else:
            batches.append(current)
    order = rng.permutation(len(batches)).tolist()
    if epoch == 0:
        heaviest = max(range(len(batches)), key=lambda b: max(sizes[i] for i in batches[b]) * len(batches[b]))
        order.remove(heaviest)
        order.insert(0, heaviest)
    return [batches[b] for b in order]


def padding_pct(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Share of padding in the batches, in percent."""
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    return 100.0 * (1 - sum(lengths[i] for batch in batches for i in batch) / padded)
