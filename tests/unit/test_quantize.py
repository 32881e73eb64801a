"""Quantisers: what every one of them keeps, and what each one does."""

import pytest
import torch

from ctaplib.errors import CollapseError, ConfigError
from ctaplib.losses.quantization import quantization_loss
from ctaplib.nn.codebook import draw_order, kmeans, nearest_codes
from ctaplib.nn.codebook_use import CodebookUse, UsageMeter
from ctaplib.nn.quantize import QuantizerSlot
from ctaplib.tasks.vqctap import check_collapse

NAMES = ["ema", "fsq", "normalized", "residual", "sim"]


def batch(rows: int = 4, time: int = 60, dim: int = 24, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(time) < torch.tensor([time, 40, 7, 23][:rows])[:, None]
    return torch.randn(rows, time, dim, generator=generator), mask


def trained(name: str, steps: int = 12, **options: object):
    torch.manual_seed(3)
    small = {} if name == "fsq" else {"codebook_size": 32, "code_dim": 8}
    quantizer = QuantizerSlot(name=name, options={**small, **options}).build(24).train()
    for step in range(steps):
        quantizer(*batch(seed=step))
        quantizer.after_step(step)
    return quantizer


def test_every_quantizer_is_tested() -> None:
    assert QuantizerSlot.CHOICES.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestEvery:
    def test_codes_say_what_was_quantised(self, name: str) -> None:
        quantizer = trained(name).eval()
        z, mask = batch()
        out = quantizer(z, mask)
        assert torch.equal(quantizer.lookup(out.codes), out.quantized)
        assert torch.equal(quantizer.nearest(z)[mask], out.codes[mask])
        assert (out.codes[~mask] == -1).all() and (out.quantized[~mask] == 0).all() and (out.latent[~mask] == 0).all()
        assert out.codes[mask].min() >= 0 and out.codes.max() < quantizer.codebook_size
        assert out.loss_count == mask.sum()

    def test_padding_and_order_change_nothing(self, name: str) -> None:
        quantizer = trained(name).eval()
        z, mask = batch()
        out = quantizer(z, mask)
        longer = torch.cat([z.masked_fill(~mask[..., None], 1e4), torch.full((4, 9, 24), torch.nan)], 1).flip(0)
        padded = quantizer(longer, torch.nn.functional.pad(mask, (0, 9)).flip(0))
        assert torch.equal(padded.codes[:, :60].flip(0), out.codes)
        torch.testing.assert_close(padded.quantized[:, :60].flip(0), out.quantized, rtol=0, atol=1e-5)
        torch.testing.assert_close(padded.loss_total, out.loss_total, rtol=1e-5, atol=1e-6)

    def test_forward_changes_nothing_that_is_saved(self, name: str) -> None:
        quantizer = trained(name)
        before = {key: value.clone() for key, value in quantizer.state_dict().items()}
        first = quantizer(*batch(seed=50))
        second = quantizer(*batch(seed=50))
        assert torch.equal(first.quantized, second.quantized) and torch.equal(first.codes, second.codes)
        after = quantizer.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)

    def test_restored_state_goes_on_alike(self, name: str) -> None:
        one = trained(name)
        torch.manual_seed(99)
        other = QuantizerSlot(name=name, options=one.config.model_dump()).build(24).train()
        other.load_state_dict(one.state_dict())
        for step in range(12, 24):
            for quantizer in (one, other):
                quantizer(*batch(seed=step))
                quantizer.after_step(step)
        mine, theirs = one.state_dict(), other.state_dict()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)

    def test_gradient_passes_straight_through(self, name: str) -> None:
        quantizer = trained(name).eval()
        z, mask = batch()
        z.requires_grad_()
        out = quantizer(z, mask)
        out.latent.retain_grad()
        weight = torch.randn(out.quantized.shape, generator=torch.Generator().manual_seed(1))
        (out.quantized * weight).sum().backward()
        rows = quantizer.project_in(z.detach()[mask]).requires_grad_()
        latent = quantizer.prepare(rows)
        upstream = (weight[mask] @ quantizer.project_out.weight).detach()
        (through,) = torch.autograd.grad(latent, rows, upstream)
        torch.testing.assert_close(z.grad[mask], through @ quantizer.project_in.weight, rtol=1e-4, atol=1e-5)
        assert (z.grad[~mask] == 0).all()

    def test_autocast_gives_the_same_codes(self, name: str) -> None:
        quantizer = trained(name)
        z, mask = batch()
        plain = quantizer(z, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = quantizer(z, mask)
            assert torch.equal(quantizer.nearest(z)[mask], plain.codes[mask])
        assert torch.equal(plain.codes, mixed.codes)
        assert torch.equal(plain.quantized, mixed.quantized) and mixed.quantized.dtype == torch.float32

    def test_codes_of_another_book_are_refused(self, name: str) -> None:
        quantizer = trained(name, steps=0)
        with pytest.raises(ConfigError, match=f"not in a codebook of {quantizer.codebook_size} codes"):
            quantizer.lookup(torch.tensor([[quantizer.codebook_size]]))

    def test_use_is_counted_over_an_epoch_and_saved(self, name: str) -> None:
        quantizer = trained(name, steps=3)
        frames = int(batch()[1].sum())
        assert [use.frames for use in quantizer.use()] == [3 * frames] * len(quantizer.book_sizes)
        quantizer.eval()(*batch())
        quantizer.after_step(3)
        assert quantizer.use()[0].frames == 3 * frames
        assert "epoch_counts" in quantizer.state_dict()
        quantizer.reset_use()
        assert quantizer.use()[0].frames == 0

    def test_no_frames_and_empty_steps_are_harmless(self, name: str) -> None:
        quantizer = trained(name)
        before = {key: value.clone() for key, value in quantizer.state_dict().items()}
        out = quantizer(torch.randn(2, 5, 24), torch.zeros(2, 5, dtype=torch.bool))
        quantizer.after_step(99)
        assert out.loss_total == 0 and out.loss_count == 0 and (out.codes == -1).all()
        assert all(torch.equal(before[key], value) for key, value in quantizer.state_dict().items())


def test_averages_follow_the_paper() -> None:
    quantizer = trained("ema", restart_threshold=0.0, decay=0.9)
    use, sums = quantizer.code_use.clone(), quantizer.code_sums.clone()
    book = quantizer.codebook.clone()
    parts = [quantizer(*batch(seed=seed)) for seed in (70, 71)]
    quantizer.after_step(5)
    latent = torch.cat([part.latent[part.codes >= 0] for part in parts])
    codes = torch.cat([part.codes[part.codes >= 0] for part in parts])
    for code in range(32):
        mine = latent[codes == code]
        use[code] = 0.9 * use[code] + 0.1 * len(mine)
        sums[code] = 0.9 * sums[code] + 0.1 * mine.sum(0)
        if len(mine):
            book[code] = sums[code] / use[code]
    torch.testing.assert_close(quantizer.code_use, use)
    torch.testing.assert_close(quantizer.codebook, book, rtol=1e-4, atol=1e-5)


def test_first_step_places_the_book_among_the_data() -> None:
    quantizer = trained("ema", steps=0)
    z, mask = batch()
    before = quantization_loss(quantizer(z + 5, mask)).mean
    quantizer.after_step(0)
    after = quantization_loss(quantizer(z + 5, mask)).mean
    assert after < 0.3 * before
    assert len(quantizer.eval()(z + 5, mask).codes.unique()) >= 25


def test_dead_codes_come_back_from_the_step_s_vectors() -> None:
    quantizer = trained("ema", restart_every_steps=4)
    quantizer.codebook[5:] = 1e3
    quantizer.code_use[5:] = 1e-6
    out = quantizer(*batch(seed=80))
    quantizer.after_step(13)
    assert (quantizer.codebook[5:] == 1e3).all()
    out = quantizer(*batch(seed=80))
    quantizer.after_step(16)
    vectors = out.latent[out.codes >= 0]
    distances = torch.cdist(quantizer.codebook[5:], vectors).min(1).values
    assert distances.max() < 1e-2
    assert len(quantizer.codebook.unique(dim=0)) == 32
    assert len(quantizer(*batch(seed=80)).codes.unique()) > 25


def test_restart_can_end() -> None:
    quantizer = trained("ema", restart_every_steps=1, restart_until_step=20)
    quantizer.codebook[5:] = 1e3
    quantizer.code_use[5:] = 1e-6
    quantizer(*batch())
    quantizer.after_step(21)
    assert (quantizer.codebook[5:] == 1e3).all()


def test_restart_depends_on_values_and_step_alone() -> None:
    books = []
    for order in (slice(None), torch.tensor([2, 0, 3, 1])):
        quantizer = trained("ema", restart_every_steps=1).double()
        quantizer.codebook[9:] = 1e3
        quantizer.code_use[9:] = 1e-6
        z, mask = batch(seed=81)
        quantizer(z[order].double(), mask[order])
        quantizer.after_step(17)
        books.append(quantizer.codebook.clone())
    torch.testing.assert_close(books[0], books[1], rtol=0, atol=1e-12)


def test_normalized_codes_lie_on_the_sphere() -> None:
    quantizer = trained("normalized")
    lengths = quantizer.codebook.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 8**0.5))
    z, mask = batch()
    assert torch.equal(quantizer(z, mask).codes, quantizer.eval()(z, mask).codes)
    cosine = torch.nn.functional.cosine_similarity
    latent = quantizer.prepare(quantizer.project_in(z[mask]))
    best = cosine(latent[:, None], quantizer.codebook[None], dim=2).argmax(1)
    assert (best == quantizer.nearest(z)[mask]).float().mean() > 0.99


@pytest.mark.parametrize("levels", [(8, 8, 8), (7, 5, 5, 5), (2, 3), (4,)])
def test_fsq_codes_and_grid_are_inverse(levels: tuple[int, ...]) -> None:
    quantizer = QuantizerSlot(name="fsq", options={"levels": levels}).build(16)
    every = torch.arange(quantizer.codebook_size)
    grid = quantizer.vectors(every)
    assert len(grid.unique(dim=0)) == quantizer.codebook_size and grid.abs().max() <= 1
    assert torch.equal(quantizer.search(grid), every)
    sweep = torch.linspace(-9, 9, 4001)[:, None].repeat(1, len(levels))
    codes = quantizer.search(quantizer.prepare(sweep))
    for place, level in zip(quantizer.places.tolist(), levels, strict=True):
        digits = codes // place % level
        assert digits.unique().tolist() == list(range(level)) and (digits.diff() >= 0).all()


def test_residual_books_add_up() -> None:
    quantizer = trained("residual", books=3).eval()
    assert quantizer.codebook_size == 32**3
    z, mask = batch()
    out = quantizer(z, mask)
    digits = quantizer.split(out.codes)
    assert (digits[~mask] == -1).all()
    residual = out.latent[mask]
    errors = []
    for book, stage in enumerate(quantizer.stages):
        assert torch.equal(nearest_codes(residual, stage.codebook), digits[mask][:, book])
        residual = residual - stage.codebook[digits[mask][:, book]]
        errors.append(residual.square().mean().item())
    assert errors[0] > errors[1] > errors[2]


def test_sim_learns_its_basis_and_not_its_book() -> None:
    quantizer = trained("sim")
    z, mask = batch()
    quantization_loss(quantizer(z, mask)).mean.backward()
    assert quantizer.basis.weight.grad.abs().sum() > 0
    assert "frozen" in dict(quantizer.named_buffers())


def test_branches_add_up_to_one_term() -> None:
    quantizer = trained("ema")
    first, second = quantizer(*batch(seed=1)), quantizer(*batch(seed=2))
    term = quantization_loss(first, second)
    assert term.count == first.loss_count + second.loss_count
    torch.testing.assert_close(term.total, first.loss_total + second.loss_total)


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (
            {"name": "fsk"},
            "no quantizer named 'fsk'.*one of ema, fsq, normalized, residual, sim.*did you mean fsq",
        ),
        (
            {"name": "ema", "options": {"codebok_size": 3}},
            "quantizer ema: there is no codebok_size, did you mean codebook_size",
        ),
        ({"name": "sim", "options": {"codebook_size": -3}}, "quantizer sim: codebook_size: .*found -3"),
        ({"name": "fsq", "options": {"levels": [8, 1]}}, "quantizer fsq: levels.*found"),
    ],
)
def test_bad_slots_are_explained(slot: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QuantizerSlot.model_validate(slot)


def test_nearest_codes_equal_a_plain_search() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(1000, 5, generator=generator, dtype=torch.float64)
    book = torch.randn(37, 5, generator=generator, dtype=torch.float64)
    want = torch.cdist(vectors, book).argmin(1)
    for tile in (1, 100, 370, 10**6):
        assert torch.equal(nearest_codes(vectors, book, tile), want)
    assert nearest_codes(book[[3, 3]], book[[5, 3, 3]]).tolist() == [1, 1]


def test_draws_do_not_depend_on_order() -> None:
    rows = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shuffled = rows[torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    first, second = rows[draw_order(rows, 7)], shuffled[draw_order(shuffled, 7)]
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first, rows[draw_order(rows, 8)])


def test_kmeans_of_vectors_that_differ_by_rounding_is_nearly_always_the_same() -> None:
    # Were codes in the order in which they are drawn, 29 of these 200 would have two of them swapped.
    others = 0
    for key in range(200):
        generator = torch.Generator().manual_seed(key)
        rows = torch.randn(734, 4, generator=generator)
        rounded = rows * (1 + 1e-6 * torch.randn(734, 4, generator=generator))
        others += not torch.allclose(kmeans(rows, 32, 10, key), kmeans(rounded, 32, 10, key), rtol=0, atol=1e-3)
    assert others <= 5


def test_kmeans_with_fewer_vectors_than_codes_gives_different_codes() -> None:
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert len(kmeans(rows, 16, 3, 0).unique(dim=0)) == 16


def test_use_and_perplexity() -> None:
    meter = UsageMeter(8)
    meter.update(torch.tensor([[0, 1, -1], [2, 3, -1]]))
    use = meter.use_over_ranks()
    assert use.frames == 4 and use.usage_pct == 50.0
    assert use.perplexity == pytest.approx(4.0)
    assert use.metrics() == {"codebook_usage_pct": 50.0, "perplexity": pytest.approx(4.0)}
    assert UsageMeter(8).use_over_ranks().perplexity == 0.0


def test_the_alarm_says_what_to_change() -> None:
    counts = torch.zeros(512, dtype=torch.int64)
    check_collapse(CodebookUse(counts), step=1)
    counts[:2] = 5000
    with pytest.raises(CollapseError, match=r"collapsed at step 900: 0\.4 % of 512 codes.*perplexity 2\.0.*code_dim"):
        check_collapse(CodebookUse(counts), step=900)
    check_collapse(CodebookUse(torch.ones(512, dtype=torch.int64)), step=1)
    few = torch.zeros(100000, dtype=torch.int64)
    few[:50] = 1
    check_collapse(CodebookUse(few), step=1)
