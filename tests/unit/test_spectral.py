"""Short-time magnitudes, distances between them, adversarial terms."""

import pytest
import torch

from ctaplib.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ctaplib.losses.spectral import distance, log_distance
from ctaplib.nn.stft import stft_magnitude


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n_fft", "hop", "window"), [(128, 32, None), (128, 40, 96), (64, 64, None)])
def test_gradient_of_the_magnitude_is_that_of_the_generic_form(n_fft: int, hop: int, window: int | None) -> None:
    wave = noise(2, 640).requires_grad_()
    weight = noise(2, 640 // hop, n_fft // 2 + 1, seed=1)
    ours = stft_magnitude(wave, n_fft, hop, 1e-2, window)
    (gradient,) = torch.autograd.grad((ours * weight).sum(), wave)
    width = window or n_fft
    left = (width - hop) // 2
    blocks = torch.nn.functional.pad(wave, (left, width)).unfold(1, width, hop)[:, : 640 // hop]
    spectrum = torch.fft.rfft(blocks * torch.hann_window(width), n=n_fft)
    plain = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-4)
    (expected,) = torch.autograd.grad((plain * weight).sum(), wave)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4)


def test_silence_has_the_floor_and_a_finite_gradient() -> None:
    wave = torch.zeros(1, 1024, requires_grad=True)
    magnitude = stft_magnitude(wave, 256, 64, 1e-3)
    assert magnitude.max().item() == pytest.approx(1e-3)
    magnitude.log().sum().backward()
    assert torch.isfinite(wave.grad).all()


def test_distances_vanish_for_equal_input_and_know_a_gain() -> None:
    true = noise(2, 10, 5).abs() + 0.1
    frames = torch.tensor([10, 6])
    assert [t.mean.item() for t in distance(true, true, frames)] == pytest.approx([0.0, 0.0], abs=1e-3)
    convergence, logs = distance(2 * true, true, frames)
    assert convergence.mean.item() == pytest.approx(1.0, abs=1e-4)
    assert logs.mean.item() == pytest.approx(0.6931, abs=1e-4)
    assert log_distance(2 * true, true, frames).mean.item() == pytest.approx(0.6931, abs=1e-4)
    assert logs.count == 16


def test_sums_do_not_depend_on_padding_or_on_the_cut_into_batches() -> None:
    made, true = noise(3, 12, 5).abs() + 0.1, noise(3, 12, 5, seed=1).abs() + 0.1
    frames = torch.tensor([12, 7, 3])
    whole = distance(made, true, frames)
    made[1, 7:], true[2, 3:] = 50.0, 70.0
    parts = distance(made[:1], true[:1], frames[:1]), distance(made[1:], true[1:], frames[1:])
    for together, first, second in zip(whole, *parts):
        assert first.total.item() + second.total.item() == pytest.approx(together.total.item(), rel=1e-5)
        assert float(first.count) + float(second.count) == float(together.count)


def test_hinge_terms() -> None:
    frames = torch.tensor([2, 1])
    natural, made = torch.full((2, 3, 4), 2.0), torch.full((2, 3, 4), -3.0)
    assert hinge_discriminator(natural, made, frames).mean.item() == 0.0
    assert hinge_discriminator(made, natural, frames).mean.item() == pytest.approx(7.0)
    assert hinge_generator(made, frames).mean.item() == pytest.approx(4.0)
    assert hinge_generator(natural, frames).mean.item() == 0.0


def test_feature_matching_moves_only_what_was_made() -> None:
    natural, made = noise(1, 2, 3, 4).requires_grad_(), noise(1, 2, 3, 4, seed=1).requires_grad_()
    term = feature_matching([natural, natural * 0], [made, made * 0], torch.tensor([3]))
    term.total.backward()
    assert natural.grad is None
    assert made.grad.abs().sum() > 0
    assert term.mean.item() == pytest.approx(0.5 * (natural - made).abs().mean().item())
