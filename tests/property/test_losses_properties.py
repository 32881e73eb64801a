"""Losses and quantisers over random shapes: padding, order, parts and tiles never change what they give."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.losses.contrastive import ContrastiveConfig, contrastive_loss
from ctaplib.losses.infonce import symmetric_infonce
from ctaplib.losses.quantization import quantization_loss
from ctaplib.losses.reconstruction import mel_loss
from ctaplib.losses.sequence import ctc_loss, frame_classification_loss
from ctaplib.nn.codebook_use import UsageMeter
from ctaplib.nn.quantize import QuantizerSlot

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
lengths_lists = st.lists(st.integers(1, 14), min_size=1, max_size=5)
seeds = st.integers(0, 2**31)


def frames(lengths: list[int], extra: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same frames whatever the padding; padding holds rubbish."""
    generator = torch.Generator().manual_seed(seed)
    full = torch.full((len(lengths), max(lengths) + extra, dim), 1e6, dtype=torch.float64)
    for row, length in enumerate(lengths):
        full[row, :length] = torch.randn(length, dim, generator=generator, dtype=torch.float64)
    return full, torch.arange(full.shape[1]) < torch.tensor(lengths)[:, None]


@QUICK
@given(
    lengths=lengths_lists,
    extra=st.integers(0, 6),
    seed=seeds,
    same=st.sampled_from(["keep", "mask", "soft"]),
    scale=st.sampled_from([0.0, 3.0, 80.0]),
)
def test_contrast_sees_neither_padding_nor_order(lengths: list[int], extra: int, seed: int, same: str, scale: float) -> None:
    config = ContrastiveConfig(same_phone=same)
    totals = []
    for padding, order in ((0, 1), (extra, -1)):
        (speech, mask), (phonemes, _) = (frames(lengths, padding, 5, seed + i) for i in range(2))
        (numbers, _) = frames(lengths, padding, 1, seed + 2)
        labels = (numbers[..., 0].clamp(-2, 2) + 2).long()
        turned = [x.flip(0) if order < 0 else x for x in (speech, phonemes, mask, labels)]
        term = contrastive_loss(*turned[:3], scale, config, labels=turned[3])
        assert term.count == sum(lengths)
        totals.append(term.total)
    torch.testing.assert_close(totals[0], totals[1], rtol=1e-9, atol=1e-9)
    assert totals[0] >= -1e-9


@QUICK
@given(rows=st.integers(1, 40), tile=st.tuples(st.integers(1, 50), st.integers(1, 50)), seed=seeds, mask=st.booleans())
def test_contrast_does_not_depend_on_tiles(rows: int, tile: tuple[int, int], seed: int, mask: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    pair = [torch.randn(rows, 4, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    labels = torch.randint(0, 4, (rows,), generator=generator)
    results = []
    for size in (tile, (64, 64)):
        total = symmetric_infonce(*pair, 2.0, labels=labels, exclude_same=mask, tile=size)
        results.append([total, *torch.autograd.grad(total, pair)])
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@QUICK
@given(lengths=lengths_lists, extra=st.integers(0, 6), seed=seeds, name=st.sampled_from(QuantizerSlot.CHOICES.names()))
def test_codes_see_neither_padding_nor_neighbours(lengths: list[int], extra: int, seed: int, name: str) -> None:
    torch.manual_seed(seed)
    options = {} if name == "fsq" else {"codebook_size": 9, "code_dim": 3}
    quantizer = QuantizerSlot(name=name, options=options).build(6).double().eval()
    z, mask = frames(lengths, 0, 6, seed)
    padded, wider = frames(lengths, extra, 6, seed)
    out, other = quantizer(z, mask), quantizer(padded, wider)
    assert torch.equal(out.codes, other.codes[:, : z.shape[1]])
    assert (other.codes[~wider] == -1).all()
    torch.testing.assert_close(out.loss_total, other.loss_total)
    row = len(lengths) - 1
    alone = quantizer(z[row:, : lengths[row]], mask[row:, : lengths[row]])
    assert torch.equal(alone.codes[0], out.codes[row, : lengths[row]])
    meter = UsageMeter(quantizer.codebook_size)
    meter.update(other.codes)
    assert meter.use_over_ranks().frames == sum(lengths)


@QUICK
@given(lengths=lengths_lists, extra=st.integers(0, 6), seed=seeds)
def test_parts_of_a_batch_add_up(lengths: list[int], extra: int, seed: int) -> None:
    z, mask = frames(lengths, extra, 4, seed)
    target = torch.zeros_like(z)
    labels = torch.zeros(mask.shape, dtype=torch.int64)
    torch.manual_seed(0)
    quantizer = QuantizerSlot(name="ema", options={"codebook_size": 5, "code_dim": 2}).build(4).double()

    def terms(part: slice) -> list:
        return [
            mel_loss(z[part], target[part], mask[part], "l1"),
            frame_classification_loss(z[part], labels[part], mask[part]),
            quantization_loss(quantizer(z[part], mask[part])),
        ]

    for whole, first, rest in zip(terms(slice(None)), terms(slice(1)), terms(slice(1, None)), strict=True):
        torch.testing.assert_close(whole.total, first.total + rest.total)
        assert whole.count == first.count + rest.count


@QUICK
@given(labels=st.lists(st.integers(1, 3), min_size=1, max_size=6), frames_valid=st.integers(1, 9), extra=st.integers(0, 3))
def test_ctc_is_impossible_exactly_where_no_path_fits(labels: list[int], frames_valid: int, extra: int) -> None:
    logits = torch.zeros(1, frames_valid + extra, 4)
    lengths, label_lengths = torch.tensor([frames_valid]), torch.tensor([len(labels)])
    loss = ctc_loss(logits, lengths, torch.tensor([labels]), label_lengths)
    native = torch.nn.functional.ctc_loss(
        logits.log_softmax(2).transpose(0, 1), torch.tensor([labels]), lengths, label_lengths, reduction="sum"
    )
    assert (loss.count == 0) == bool(native.isinf())
    if not native.isinf():
        torch.testing.assert_close(loss.total, native)
