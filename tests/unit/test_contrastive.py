"""The contrastive loss in tiles equals the whole matrix, whatever the settings."""

import math

import pytest
import torch

from ctaplib.errors import ConfigError
from ctaplib.losses.contrastive import ContrastiveConfig, contrastive_loss
from ctaplib.losses.infonce import symmetric_infonce

SAME = ("keep", "mask", "soft")


def pairs(rows: int = 150, dim: int = 8, scale: float = 14.0, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    speech = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    phonemes = speech + torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    speech, phonemes = (torch.nn.functional.normalize(x, dim=1).requires_grad_() for x in (speech, phonemes))
    labels = torch.randint(0, 9, (rows,), generator=generator)
    return speech, phonemes, torch.tensor(scale, dtype=torch.float64, requires_grad=True), labels


def whole(speech, phonemes, scale, labels, same: str, share: float = 0.3):
    """The definition, with the whole matrix and its target distribution."""
    logits = scale * speech @ phonemes.T
    own = torch.eye(len(speech), dtype=torch.bool)
    alike = labels[:, None] == labels
    if same == "mask":
        logits = logits.masked_fill(alike & ~own, -math.inf)
    target = own.double()
    if same == "soft":
        target = (1 - share) * target + share * alike.double() / alike.sum(1, keepdim=True)
    seen = torch.where(target > 0, logits, 0.0)
    log_sums = logits.logsumexp(1).sum() + logits.logsumexp(0).sum()
    return (log_sums - (target * seen).sum() - (target.T * seen).sum()) / 2


def plain_infonce(speech, phonemes, scale):
    """The loss with the whole matrix."""
    logits = scale * speech @ phonemes.T
    own = torch.arange(len(logits))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(logits, own, reduction="sum") + cross_entropy(logits.T, own, reduction="sum")) / 2


@pytest.mark.parametrize("same", SAME)
@pytest.mark.parametrize("scale", [0.5, 14.0, 300.0, -3.0])
@pytest.mark.parametrize("tile", [(32, 48), (1000, 1000), (7, 150)])
def test_value_and_gradients_equal_the_definition(same: str, scale: float, tile: tuple[int, int]) -> None:
    speech, phonemes, tau, labels = pairs(scale=scale)
    want = whole(speech, phonemes, tau, labels, same)
    got = symmetric_infonce(
        speech,
        phonemes,
        tau,
        labels=labels,
        exclude_same=same == "mask",
        soft_share=0.3 if same == "soft" else 0.0,
        tile=tile,
    )
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    inputs = (speech, phonemes, tau)
    for mine, reference in zip(torch.autograd.grad(1.7 * got, inputs), torch.autograd.grad(1.7 * want, inputs), strict=True):
        assert (mine - reference).norm() <= 1e-10 * reference.norm()


def test_without_options_it_is_the_plain_form() -> None:
    speech, phonemes, tau, _ = pairs()
    torch.testing.assert_close(symmetric_infonce(speech, phonemes, tau), plain_infonce(speech, phonemes, tau))
    assert torch.autograd.gradcheck(
        lambda s, p, k: symmetric_infonce(s, p, k, tile=(3, 4)),
        [x.detach()[:10].requires_grad_() for x in (speech, phonemes)] + [tau],
    )


def test_single_precision_is_near_double() -> None:
    speech, phonemes, tau, _ = pairs(rows=700, dim=32)
    want = plain_infonce(speech, phonemes, tau)
    inputs = [x.detach().float().requires_grad_() for x in (speech, phonemes, tau)]
    got = symmetric_infonce(*inputs, tile=(256, 128))
    assert abs(got.item() - want.item()) <= 1e-5 * abs(want.item())
    references = torch.autograd.grad(want, (speech, phonemes, tau))
    for mine, reference in zip(torch.autograd.grad(got, inputs), references, strict=True):
        assert (mine - reference).norm() <= 1e-5 * reference.norm()
    low = symmetric_infonce(*inputs, bf16=True)
    assert abs(low.item() - want.item()) <= 1e-2 * abs(want.item())
    for mine, reference in zip(torch.autograd.grad(low, inputs), references, strict=True):
        assert (mine - reference).norm() <= 0.05 * reference.norm()


def test_autocast_changes_nothing() -> None:
    inputs = [x.detach().float().requires_grad_() for x in pairs()[:3]]
    plain = symmetric_infonce(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = symmetric_infonce(*inputs)
    assert torch.equal(plain, mixed)


def embedded(batch: int = 3, time: int = 40, dim: int = 6):
    generator = torch.Generator().manual_seed(1)
    speech, phonemes = (torch.randn(batch, time, dim, generator=generator) for _ in range(2))
    mask = torch.arange(time) < torch.tensor([40, 11, 29])[:, None]
    labels = torch.randint(0, 5, (batch, time), generator=generator)
    return speech, phonemes, mask, labels


@pytest.mark.parametrize("same", SAME)
def test_padding_and_order_change_nothing(same: str) -> None:
    speech, phonemes, mask, labels = embedded()
    config = ContrastiveConfig(same_phone=same)
    term = contrastive_loss(speech, phonemes, mask, 10.0, config, labels=labels)
    assert term.count == mask.sum()
    junk = [torch.cat([x.masked_fill(~mask[..., None], 9e3), torch.full((3, 5, 6), torch.nan)], 1) for x in (speech, phonemes)]
    wider, more = torch.nn.functional.pad(mask, (0, 5)), torch.nn.functional.pad(labels, (0, 5))
    other = contrastive_loss(junk[0].flip(0), junk[1].flip(0), wider.flip(0), 10.0, config, labels=more.flip(0))
    torch.testing.assert_close(other.total, term.total, rtol=1e-5, atol=1e-5)


def test_silence_can_be_dropped() -> None:
    speech, phonemes, mask, labels = embedded()
    term = contrastive_loss(speech, phonemes, mask, 10.0, ContrastiveConfig(silence="drop"), labels=labels, silence_label=2)
    loud = mask & (labels != 2)
    want = contrastive_loss(speech, phonemes, loud, 10.0)
    assert term.count == loud.sum() < mask.sum()
    torch.testing.assert_close(term.total, want.total)


def test_masking_lowers_and_equal_pairs_are_best() -> None:
    speech, phonemes, mask, labels = embedded()
    kept = contrastive_loss(speech, phonemes, mask, 10.0)
    masked = contrastive_loss(speech, phonemes, mask, 10.0, ContrastiveConfig(same_phone="mask"), labels=labels)
    assert masked.total < kept.total
    same = contrastive_loss(speech, speech, mask, 10.0)
    assert same.total < kept.total
    chance = math.log(int(mask.sum()))
    zero = contrastive_loss(speech, phonemes, mask, 0.0)
    assert zero.total.item() / zero.count.item() == pytest.approx(chance, rel=1e-5)


def test_no_frames_give_zero() -> None:
    speech, phonemes, mask, labels = embedded()
    speech.requires_grad_()
    for same in SAME:
        term = contrastive_loss(speech, phonemes, torch.zeros_like(mask), 10.0, ContrastiveConfig(same_phone=same), labels=labels)
        assert term.total.item() == 0 and term.count.item() == 0
        term.total.backward()
    assert (speech.grad == 0).all()


def test_missing_labels_are_explained() -> None:
    speech, phonemes, mask, labels = embedded()
    for config in (ContrastiveConfig(same_phone="mask"), ContrastiveConfig(silence="drop")):
        with pytest.raises(ConfigError, match=r"no frame labels.*expected the phone of every frame"):
            contrastive_loss(speech, phonemes, mask, 10.0, config)
    with pytest.raises(ConfigError, match="no label of silence"):
        contrastive_loss(speech, phonemes, mask, 10.0, ContrastiveConfig(silence="drop"), labels=labels)
