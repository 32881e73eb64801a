"""Losses as sums and counts: values by hand, padding, and what is left out."""

import math

import pytest
import torch

from ctaplib.losses.consistency import ConsistencyConfig, consistency_loss, vector_distance
from ctaplib.losses.kl import kl_loss
from ctaplib.losses.reconstruction import duration_loss, mel_loss
from ctaplib.losses.sequence import (
    IGNORED_LABEL,
    ctc_frames_needed,
    ctc_loss,
    frame_classification_loss,
)


def frames(dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 12, dim, generator=generator), torch.arange(12) < torch.tensor([12, 5, 9])[:, None]


def test_mel_loss_is_per_value_of_valid_frames() -> None:
    predicted, mask = frames(4)
    target, _ = frames(4, seed=1)
    for distance, measure in (("mse", torch.square), ("l1", torch.abs)):
        term = mel_loss(predicted, target, mask, distance)
        assert term.count == 26 * 4
        torch.testing.assert_close(term.total, measure(predicted - target)[mask].sum())
        dirty = predicted.masked_fill(~mask[..., None], torch.nan)
        assert torch.equal(mel_loss(dirty, target, mask, distance).total, term.total)
    low = mel_loss(predicted.bfloat16(), target, mask)
    assert low.total.dtype == torch.float32


def test_duration_loss_keeps_phones_without_frames() -> None:
    durations = torch.tensor([[0, 3, 7], [1, 0, 99]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    right = torch.log1p(durations.float())
    assert duration_loss(right, durations, mask).total == 0
    term = duration_loss(torch.zeros(2, 3), durations, mask)
    assert term.count == 5
    assert term.total.item() == pytest.approx(math.log(4) + math.log(8) + math.log(2))


def test_kl_is_zero_at_the_prior_and_free_below_the_margin() -> None:
    assert kl_loss(torch.zeros(2, 5), torch.zeros(2, 5)).total == 0
    mean, log_variance = torch.randn(4, 5), torch.randn(4, 5)
    prior = torch.distributions.Normal(torch.zeros(4, 5), torch.ones(4, 5))
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    each = torch.distributions.kl_divergence(posterior, prior).sum(1)
    term = kl_loss(mean, log_variance)
    torch.testing.assert_close(term.total, each.sum())
    assert term.count == 4
    margin = float(each.median()) + 1e-3
    torch.testing.assert_close(kl_loss(mean, log_variance, margin).total, (each - margin).clamp_min(0).sum())


def test_consistency_adds_both_distances() -> None:
    prompt, target, random = (torch.randn(4, 6) for _ in range(3))
    mse = torch.nn.functional.mse_loss
    term = consistency_loss(prompt, target, random, ConsistencyConfig())
    assert term.count == 4
    torch.testing.assert_close(term.total / 4, mse(prompt, target) + mse(target, random))
    first = consistency_loss(prompt, target, random, ConsistencyConfig(random_weight=0.0))
    torch.testing.assert_close(first.total / 4, mse(prompt, target))
    half = consistency_loss(prompt, target, random, ConsistencyConfig(random_weight=0.5))
    torch.testing.assert_close(half.total / 4, mse(prompt, target) + 0.5 * mse(target, random))
    assert vector_distance(prompt, 3 * prompt, "cosine").abs().max() < 1e-6
    torch.testing.assert_close(vector_distance(prompt, -prompt, "cosine"), torch.full((4,), 2.0))


def test_consistency_can_hold_the_prompt() -> None:
    prompt, target = (torch.randn(4, 6, requires_grad=True) for _ in range(2))
    consistency_loss(prompt, target, target, ConsistencyConfig(hold_prompt=True)).total.backward()
    assert prompt.grad is None and target.grad.abs().sum() > 0


def test_frame_classification_leaves_padding_and_unknown_out() -> None:
    logits, mask = frames(7)
    labels = torch.randint(0, 7, (3, 12), generator=torch.Generator().manual_seed(2))
    labels[0, :4] = IGNORED_LABEL
    term = frame_classification_loss(logits, labels, mask)
    used = mask & (labels >= 0)
    assert term.count == used.sum() == 22
    each = -logits.log_softmax(2).gather(2, labels.clamp_min(0)[..., None])[..., 0]
    torch.testing.assert_close(term.total, each[used].sum())
    dirty = logits.masked_fill(~mask[..., None], torch.nan)
    assert torch.equal(frame_classification_loss(dirty, labels, mask).total, term.total)


def test_frames_needed_count_repeats_inside_the_utterance_only() -> None:
    labels = torch.tensor([[1, 1, 2, 2, 2], [1, 2, 3, 3, 3], [4, 4, 4, 4, 4]])
    assert ctc_frames_needed(labels, torch.tensor([5, 3, 0])).tolist() == [8, 3, 0]


def test_ctc_does_not_count_what_is_impossible() -> None:
    logits, _ = frames(6)
    logits.requires_grad_()
    labels = torch.tensor([[1, 1, 2, 3], [1, 2, 2, 2], [3, 0, 0, 0]])
    lengths, label_lengths = torch.tensor([12, 5, 9]), torch.tensor([4, 4, 1])
    loss = ctc_loss(logits, lengths, labels, label_lengths)
    assert loss.count == 5, "four labels of the first, one of the third"
    loss.total.backward()
    assert (logits.grad[1] == 0).all() and logits.grad[0].abs().sum() > 0
    assert torch.isfinite(logits.grad).all()
    alone = ctc_loss(logits[2:, :9], lengths[2:], labels[2:, :1], label_lengths[2:])
    first = ctc_loss(logits[:1], lengths[:1], labels[:1], label_lengths[:1])
    torch.testing.assert_close(loss.total, alone.total + first.total)


def test_ctc_equals_a_sum_over_paths() -> None:
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(5))
    log_probs = logits[0].log_softmax(1)
    total = 0.0
    for path in torch.cartesian_prod(*[torch.arange(3)] * 4).tolist():
        collapsed = [s for i, s in enumerate(path) if s and (i == 0 or path[i - 1] != s)]
        if collapsed == [1, 2]:
            total += math.exp(sum(log_probs[i, s].item() for i, s in enumerate(path)))
    loss = ctc_loss(logits, torch.tensor([4]), torch.tensor([[1, 2]]), torch.tensor([2]))
    assert loss.total.item() == pytest.approx(-math.log(total), rel=1e-5)


def test_ctc_of_a_batch_without_possible_utterances_has_no_count() -> None:
    logits = torch.randn(2, 2, 4, requires_grad=True)
    loss = ctc_loss(logits, torch.tensor([2, 1]), torch.tensor([[1, 1], [1, 2]]), torch.tensor([2, 2]))
    assert loss.count == 0
    loss.total.backward()
    assert (logits.grad == 0).all()
