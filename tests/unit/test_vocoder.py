"""The vocoder: sources, geometry, masking, training on little."""

import itertools
import math

import numpy as np
import pytest
import torch
from mel_spectrogram import MelSpectrogram

from ctaplib.audio.settings import FeatureConfig
from ctaplib.losses.spectral import distance
from ctaplib.models.vocoder import Vocoder, VocoderConfig, envelope_map
from ctaplib.models.vocoder_correction import MelCorrection, MelCorrectionConfig
from ctaplib.models.vocoder_discriminator import Discriminator, DiscriminatorConfig
from ctaplib.models.vocoder_f0 import F0ReaderConfig, best_track
from ctaplib.models.vocoder_source import continuous_log_f0, noise_spectra, pulse_train
from ctaplib.nn.stft import overlap_add, stft_magnitude
from ctaplib.tensors import pad_stack

FEATURES = FeatureConfig()
FEATURES_16K = FeatureConfig(rate_hz=16000, hop_samples=160, window_samples=640)
FEATURES_22K = FeatureConfig(rate_hz=22050, hop_samples=256, window_samples=1024)
FEATURES_LONG = FeatureConfig(hop_samples=300, window_samples=1200, fft_size=2048)
SMALL = VocoderConfig(channels=32, blocks=1, f0=F0ReaderConfig(channels=32, blocks=1))


def tone(f0_hz: float, frames: int, features: FeatureConfig = FEATURES) -> torch.Tensor:
    """Ten harmonics that fall off, (1, frames * hop)."""
    time_s = torch.arange(frames * features.hop_samples) / features.rate_hz
    harmonics = torch.arange(1, 11)[:, None]
    return (torch.sin(2 * math.pi * f0_hz * harmonics * time_s) / harmonics).sum(0)[None] * 0.1


def pitch_hz(wave: torch.Tensor, rate_hz: int = 24000) -> float:
    """Where the autocorrelation of the middle is largest, between 70 and 400 Hz."""
    middle = wave[len(wave) // 4 : -len(wave) // 4]
    spectrum = torch.fft.rfft(middle, n=2 * len(middle))
    correlation = torch.fft.irfft(spectrum.abs().square())
    lags = torch.arange(len(correlation))
    correlation = correlation / (len(middle) - lags).clamp_min(1)
    low, high = rate_hz // 400, rate_hz // 70
    return rate_hz / float(low + correlation[low:high].argmax())


def small_vocoder(features: FeatureConfig = FEATURES) -> Vocoder:
    torch.manual_seed(0)
    mean, std = torch.full((features.n_mels,), -5.0), torch.full((features.n_mels,), 2.0)
    return Vocoder(SMALL, features, mean, std).eval()


def mels(*frames: int, features: FeatureConfig = FEATURES) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, features.n_mels, generator=generator) - 5.0 for n in frames]


RATES = {"24k": FEATURES, "16k": FEATURES_16K, "22k hop 256": FEATURES_22K, "24k hop 300": FEATURES_LONG}


@pytest.mark.parametrize("features", RATES.values(), ids=RATES)
def test_every_frame_becomes_one_hop(features: FeatureConfig) -> None:
    vocoder = small_vocoder(features)
    inputs = mels(1, 7, 50, features=features)
    waves = vocoder.generate(inputs)
    assert [len(w) for w in waves] == [len(m) * features.hop_samples for m in inputs]
    assert all(w.dtype == torch.float32 and torch.isfinite(w).all() for w in waves)


@pytest.mark.parametrize("features", RATES.values(), ids=RATES)
def test_an_untrained_vocoder_has_the_f0_and_the_level_that_it_is_given(features: FeatureConfig) -> None:
    wave, spectrum = tone(200.0, 80, features), MelSpectrogram(features)
    mel = spectrum(wave)[0]
    made = small_vocoder(features).generate([mel], [torch.full((80,), 200.0)])[0]
    ratio = 200.0 / pitch_hz(made, features.rate_hz)  # a multiple of the period may be found as well
    assert 12 * abs(math.log2(ratio / round(ratio))) < 0.1
    strong = mel[5:-5] > mel.max() - 5.0
    assert (spectrum(made[None])[0] - mel)[5:-5][strong].abs().mean() < 0.5


def test_a_batch_equals_one_by_one() -> None:
    vocoder = small_vocoder()
    inputs = mels(31, 80, 5)
    for together, alone in zip(vocoder.generate(inputs), [vocoder.generate([m])[0] for m in inputs]):
        assert alone.abs().max() > 0
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_generation_repeats_itself_and_other_draws_do_not_matter() -> None:
    vocoder, inputs = small_vocoder(), mels(20)
    first = vocoder.generate(inputs)[0]
    torch.manual_seed(99)
    torch.testing.assert_close(vocoder.generate(inputs)[0], first, rtol=0, atol=0)


def test_what_lies_in_the_padding_is_not_heard() -> None:
    vocoder = small_vocoder()
    mel, lengths = pad_stack(mels(12, 30))
    clean = vocoder(mel, lengths)
    spoilt = mel.clone()
    spoilt[0, 12:] = 40.0
    dirty = vocoder(spoilt, lengths)
    torch.testing.assert_close(dirty.wave, clean.wave)
    assert not clean.wave[0, 12 * FEATURES.hop_samples :].any()
    torch.testing.assert_close(dirty.f0_hz, clean.f0_hz)


def test_state_makes_the_same_vocoder_without_statistics() -> None:
    vocoder, inputs = small_vocoder(), mels(15)
    other = Vocoder(SMALL, FEATURES).eval()
    other.load_state_dict(vocoder.state_dict())
    torch.testing.assert_close(other.generate(inputs)[0], vocoder.generate(inputs)[0], rtol=0, atol=0)


def test_pulses_have_the_given_f0_and_unit_mean_magnitude() -> None:
    wave = pulse_train(torch.full((1, 101), 200.0), 240, 24000)
    assert wave.shape == (1, 24000)
    starts = torch.nonzero(wave[0] > 0.6 * wave.max())[:, 0]
    np.testing.assert_allclose(np.diff(starts), 120)
    magnitude = stft_magnitude(wave, 1024, 240, 1e-9)[0, 10:-10]
    assert magnitude.mean().item() == pytest.approx(1.0, abs=0.05)
    spectrum = torch.fft.rfft(wave[0]).abs()
    assert spectrum[200].item() == pytest.approx(spectrum[11000].item(), rel=0.01)
    assert spectrum[300].item() < 0.01 * spectrum[200].item()


def test_pulses_agree_with_a_sum_of_cosines_when_f0_moves() -> None:
    f0 = torch.linspace(150.0, 160.0, 21)[None]
    wave = pulse_train(f0, 240, 24000)[0].double()
    track = torch.nn.functional.interpolate(f0[:, None].double(), 4801, mode="linear", align_corners=True)[0, 0, :-1]
    phase = 2 * math.pi * torch.cumsum(track / 24000, 0)
    count = torch.floor(12000 / track)
    orders = torch.arange(1, 81)[:, None]
    total = (torch.cos(orders * phase) * (orders <= count)).sum(0) * 2 * track / 24000
    assert (wave - total).abs().max() < 2e-3


def test_noise_has_unit_mean_magnitude_and_is_periodic() -> None:
    spectra = noise_spectra(50, 240, 512, 960)
    window = torch.hann_window(512)
    twice = overlap_add(spectra.repeat(4, 1)[None], 240, window, 512)[:, 5000:41000]
    torch.testing.assert_close(twice[:, :12000], twice[:, 12000:24000], rtol=1e-4, atol=1e-6)
    magnitude = stft_magnitude(twice, 1024, 240, 1e-9, 960)[0, 5:-5]
    assert magnitude.mean().item() == pytest.approx(1.0, abs=0.05)


def test_f0_is_filled_by_straight_lines_in_log() -> None:
    f0 = torch.tensor([[0.0, 100.0, 0.0, 0.0, 200.0, 0.0, 300.0], [0.0] * 7])
    filled = continuous_log_f0(f0, torch.tensor([6, 7])).exp()
    expected = [100.0, 100.0, 100.0 * 2 ** (1 / 3), 100.0 * 2 ** (2 / 3), 200.0, 200.0, 200.0]
    torch.testing.assert_close(filled[0], torch.tensor(expected))
    torch.testing.assert_close(filled[1], torch.full((7,), 120.0))


def test_envelope_of_a_flat_spectrum_is_flat() -> None:
    for features in RATES.values():
        weight, bias = envelope_map(features, 257)
        bank = torch.from_numpy(np.array(MelSpectrogram(features).bank))
        log_mel = torch.log(bank.sum(0) * 3.0)
        torch.testing.assert_close(weight @ log_mel + bias, torch.full((257,), math.log(3.0)), rtol=0, atol=1e-4)


def test_overlap_add_restores_the_inside() -> None:
    wave = torch.randn(2, 480 * 9 + 512, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(512)
    blocks = torch.fft.rfft(wave.unfold(1, 512, 240) * window)
    back = overlap_add(blocks, 240, window, 512)
    torch.testing.assert_close(back[:, 512:-512], wave[:, 512 : back.shape[1] - 512], rtol=1e-4, atol=1e-5)


def test_classes_of_f0_are_read_back() -> None:
    reader = small_vocoder().f0_reader
    f0 = torch.tensor([[60.0, 123.4, 251.0, 599.0]])
    logits = reader.targets(f0).clamp_min(1e-30).log()
    read = reader.decode(logits, torch.tensor([[1.0, 1.0, 1.0, -1.0]]), torch.tensor([4]))
    torch.testing.assert_close(read[0, :3], f0[0, :3], rtol=2e-3, atol=0)
    assert read[0, 3] == 0.0


def test_a_track_does_not_follow_a_lone_frame_but_follows_a_lasting_jump() -> None:
    scores = torch.full((1, 20, 50), -9.0)
    scores[0, :10, 20] = 0.0
    scores[0, 10:, 40] = 0.0
    scores[0, 4, 20], scores[0, 4, 35] = -1.0, 0.0
    track = best_track(scores, torch.tensor([20]), reach=3, jump_cost=4.0)
    assert track.tolist() == [[20] * 10 + [40] * 10]


def test_a_track_does_not_see_the_padding() -> None:
    scores = torch.randn(2, 30, 40, generator=torch.Generator().manual_seed(3))
    both = best_track(scores, torch.tensor([30, 11]), reach=2, jump_cost=2.0)
    alone = best_track(scores[1:, :11], torch.tensor([11]), reach=2, jump_cost=2.0)
    assert both[1, :11].tolist() == alone[0].tolist()


def test_a_track_of_impossible_frames_stays_among_the_classes() -> None:
    scores = torch.full((1, 9, 12), -torch.inf)
    scores[0, 8, 1] = 0.0
    track = best_track(scores, torch.tensor([9]), reach=3, jump_cost=2.0)
    assert track[0, 8] == 1 and track.min() >= 0 and track.max() < 12


def test_a_track_has_the_largest_sum() -> None:
    scores = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(4))

    def value(path: tuple[int, ...]) -> float:
        jumps = sum(abs(a - b) > 1 for a, b in zip(path, path[1:]))
        return sum(scores[0, t, c].item() for t, c in enumerate(path)) - 1.5 * jumps

    best = max(itertools.product(range(5), repeat=4), key=value)
    assert best_track(scores, torch.tensor([4]), reach=1, jump_cost=1.5)[0].tolist() == list(best)


def test_a_tone_is_learned_and_its_f0_comes_back() -> None:
    """A minute's training in small: loss falls, F0 of the mel and of the waveform is that of the tone."""
    vocoder, spectrum = small_vocoder().train(), MelSpectrogram(FEATURES)
    pitches = [110.0, 150.0, 210.0, 300.0]
    waves = torch.cat([tone(f, 40) for f in pitches])
    mel, lengths = spectrum(waves), torch.full((4,), 40)
    f0 = torch.tensor(pitches)[:, None].expand(-1, 40)
    optimizer = torch.optim.Adam(vocoder.parameters(), lr=1e-2)
    history = []
    for _ in range(60):
        out = vocoder(mel, lengths, f0)
        made, true = (stft_magnitude(w, 512, 128, 3e-3) for w in (out.wave, waves))
        spectral = sum(t.mean for t in distance(made, true, torch.full((4,), made.shape[1])))
        targets = vocoder.f0_reader.targets(f0)
        pitch = -(targets * out.f0_logits.log_softmax(-1)).sum(-1).mean() - out.voiced_logit.sigmoid().log().mean()
        optimizer.zero_grad()
        (spectral + pitch).backward()
        optimizer.step()
        history.append(spectral.item())
    assert history[-1] < 0.5 * history[0]
    made = vocoder.eval().generate(list(mel))
    read = vocoder(mel, lengths).f0_hz.median(1).values
    for wave, heard, wanted in zip(made, read.tolist(), pitches):
        assert abs(12 * math.log2(heard / wanted)) < 0.1
        # A period may be found twice or three times as long; then it is a multiple of the true one.
        ratio = wanted / pitch_hz(wave)
        assert abs(12 * math.log2(ratio / round(ratio))) < 0.5


def test_correction_brings_the_mel_closer_and_leaves_what_fits_alone() -> None:
    spectrum = MelSpectrogram(FEATURES)
    wave = torch.randn(1, 60 * 240, generator=torch.Generator().manual_seed(0)) * 0.1
    wanted, lengths = spectrum(wave), torch.tensor([60])
    shape = torch.linspace(-0.8, 0.8, 80)
    correct = MelCorrection(MelCorrectionConfig(), FEATURES)
    kept = correct(wave, wanted, lengths)
    assert (kept - wave)[:, 2400:-2400].abs().max() < 1e-5
    moved = correct(wave, wanted + shape, lengths)
    before = shape.abs().mean()
    assert (spectrum(moved) - wanted - shape)[:, 3:-3].abs().mean() < 0.35 * before
    once = MelCorrection(MelCorrectionConfig(passes=1, limit=0.1), FEATURES)(wave, wanted + 5.0, lengths)
    assert (spectrum(once) - wanted)[:, 3:-3].mean().item() == pytest.approx(0.1, abs=0.01)
    off = MelCorrection(MelCorrectionConfig(passes=0), FEATURES)
    torch.testing.assert_close(off(wave, wanted + shape, lengths), wave, rtol=0, atol=0)


def test_discriminator_judges_each_frame() -> None:
    judge = Discriminator(DiscriminatorConfig(channels=4))
    answers = judge(torch.randn(2, 9600))
    assert [a.scores.shape[:2] for a in answers] == [(2, 9600 // 256), (2, 9600 // 128)]
    assert all(layer.shape[:2] == (2, 4) for a in answers for layer in a.layers)
