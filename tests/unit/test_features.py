"""Log-mel and F0: length, values, the torch twin."""

import numpy as np
import pytest
import torch
from mel_spectrogram import MelSpectrogram

from ctaplib.audio.features import f0_track, log_mel, mel_filterbank
from ctaplib.audio.settings import FeatureConfig, read_feature_config
from ctaplib.config import save_config
from ctaplib.errors import AudioError, ConfigError


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("samples", [960, 1199, 1200, 1201, 23999, 24000, 100001])
def test_one_frame_per_whole_hop(samples: int) -> None:
    config = FeatureConfig()
    assert log_mel(noise(samples), config).shape == (samples // 240, 80)
    assert f0_track(noise(samples), config).shape == (samples // 240,)


@pytest.mark.parametrize("rate_hz, hop, window", [(24000, 240, 960), (16000, 160, 640)])
def test_torch_twin_has_the_same_values(rate_hz: int, hop: int, window: int) -> None:
    config = FeatureConfig(rate_hz=rate_hz, hop_samples=hop, window_samples=window)
    wave = noise(rate_hz + 77)
    twin = MelSpectrogram(config)(torch.from_numpy(wave)[None])[0].numpy()
    np.testing.assert_allclose(log_mel(wave, config), twin, atol=1e-4)


def test_torch_twin_has_finite_gradients_at_silence() -> None:
    wave = torch.zeros(1, 4800, requires_grad=True)
    MelSpectrogram(FeatureConfig())(wave).sum().backward()
    assert wave.grad is not None and torch.isfinite(wave.grad).all()


def test_a_tone_peaks_in_its_band_and_a_click_in_its_frame() -> None:
    config = FeatureConfig()
    tone = np.sin(2 * np.pi * 1000 * np.arange(24000) / 24000).astype(np.float32)
    band = int(log_mel(tone, config)[50].argmax())
    centre_hz = (np.arange(513) * 24000 / 1024) @ mel_filterbank(config)[:, band] / mel_filterbank(config)[:, band].sum()
    assert abs(centre_hz - 1000) < 50
    click = np.zeros(24000, np.float32)
    click[30 * 240 + 120] = 1.0
    assert log_mel(click, config).mean(1).argmax() == 30


def test_f0_of_a_glide_is_followed_at_the_middle_of_each_frame() -> None:
    seconds = np.arange(48000) / 24000
    f0_hz = 120 + 60 * seconds
    phase = 2 * np.pi * np.cumsum(f0_hz) / 24000
    wave = sum(np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32) * 0.1
    track = f0_track(wave, FeatureConfig())
    middle = f0_hz[120::240]
    assert (track[20:180] > 0).all()
    assert np.abs(track[20:180] - middle[20:180]).max() < 1.0


def test_wave_shorter_than_a_window_is_named() -> None:
    with pytest.raises(AudioError, match="a wave of 959 samples; expected at least one window of 960"):
        log_mel(noise(959), FeatureConfig())


def test_header_round_trip(tmp_path) -> None:
    config = FeatureConfig(rate_hz=16000, hop_samples=160, window_samples=640)
    save_config(config, tmp_path / "features.yaml", inputs_hash="0123")
    assert read_feature_config(tmp_path / "features.yaml") == config


def test_settings_that_are_missing_are_told_as_those_of_features(tmp_path) -> None:
    with pytest.raises(
        ConfigError, match=r"there is no set a in .*; expected a set with features; to fix it: run stage 3 \(ctap"
    ):
        read_feature_config(tmp_path / "a" / "features.yaml")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "feats.scp").write_text("")
    with pytest.raises(ConfigError, match=r"a/features.yaml is missing; expected the settings .*; to fix it: run stage 3"):
        read_feature_config(tmp_path / "a" / "features.yaml")


def test_filters_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="fmax_hz <= rate_hz / 2"):
        FeatureConfig(rate_hz=16000, fmax_hz=9000)
