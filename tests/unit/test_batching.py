"""Plans: every item once, never over the size, new batches each epoch, the heaviest first."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.data.batching import BatchConfig, plan_batches
from ctaplib.errors import DataError


def padding_pct(lengths: Sequence[int], batches: Sequence[Sequence[int]], multiple: int = 1) -> float:
    """Share of padding in the batches, in percent, when they are padded to a multiple of so many frames."""
    padded = sum(-(-max(lengths[i] for i in batch) // multiple) * multiple * len(batch) for batch in batches)
    return 100.0 * (1 - sum(lengths[i] for batch in batches for i in batch) / padded)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(4, 400), min_size=1, max_size=80), st.integers(0, 5), st.integers(0, 3))
def test_every_item_once_and_never_over_the_size(lengths: list[int], seed: int, epoch: int) -> None:
    config = BatchConfig(min_items=1)
    plan = plan_batches(lengths, 800, config, seed=seed, epoch=epoch)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    assert all(max(lengths[i] for i in batch) * len(batch) <= 800 for batch in plan)
    assert plan == plan_batches(lengths, 800, config, seed=seed, epoch=epoch)


def test_batches_differ_between_epochs_and_little_is_padding() -> None:
    lengths = np.random.default_rng(0).integers(150, 600, 500).tolist()
    first, second = (plan_batches(lengths, 3200, BatchConfig(), seed=1, epoch=e) for e in (1, 2))
    assert {tuple(sorted(b)) for b in first} != {tuple(sorted(b)) for b in second}
    assert padding_pct(lengths, first) < 8


def test_the_heaviest_batch_comes_first() -> None:
    lengths = [10, 20, 30, 400, 390, 50]
    plan = plan_batches(lengths, 800, BatchConfig(min_items=1, jitter=0.0), seed=3, epoch=0)
    assert set(plan[0]) == {3, 4}


def test_an_item_longer_than_the_batch_is_named() -> None:
    with pytest.raises(DataError, match=r"1 items are longer than the batch of 100 frames") as caught:
        plan_batches([50, 101], 100, BatchConfig(), seed=1, epoch=0)
    assert caught.value.faults == ("item 1: 101 frames",)


STRICT = {"strict": True, "jitter": 0.01}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(4, 400), min_size=1, max_size=80), st.sampled_from([4, 20, 40]), st.integers(1, 3), st.integers(0, 2))
def test_strict_plans_are_never_over_the_size(lengths: list[int], pad: int, least: int, epoch: int) -> None:
    config = BatchConfig(pad_frames=pad, min_items=least, **STRICT)
    plan = plan_batches(lengths, 1200, config, seed=1, epoch=epoch)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    assert all(-(-max(lengths[i] for i in batch) // pad) * pad * len(batch) <= 1200 for batch in plan)


def test_a_last_batch_of_one_takes_from_its_neighbour() -> None:
    lengths = [100] * 13
    loose = plan_batches(lengths, 400, BatchConfig(jitter=0.0), seed=1, epoch=1)
    tight = plan_batches(lengths, 400, BatchConfig(jitter=0.0, pad_frames=4, strict=True), seed=1, epoch=1)
    assert sorted(map(len, loose)) == [4, 4, 5] and sorted(map(len, tight)) == [2, 3, 4, 4]


def test_plans_of_large_corpora_pad_at_most_1_1_percent() -> None:
    rng = np.random.default_rng(0)
    lengths = (np.clip(np.exp(rng.normal(np.log(4.5), 0.75, 33000)), 0.5, 20) * 25).astype(int) * 4
    config = BatchConfig(pad_frames=4, **STRICT)
    first, second = (plan_batches(lengths.tolist(), 24000, config, seed=1, epoch=e) for e in (0, 1))
    assert padding_pct(lengths, first, config.pad_frames) <= 1.1
    assert not {tuple(sorted(b)) for b in first} & {tuple(sorted(b)) for b in second}
