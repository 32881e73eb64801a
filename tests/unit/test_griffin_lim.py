"""Griffin-Lim and the choice of a vocoder."""

import logging
import math
from pathlib import Path

import pytest
import torch
from mel_spectrogram import MelSpectrogram
from test_vocoder import pitch_hz, tone

from ctaplib.audio.settings import FeatureConfig
from ctaplib.infer.batches import Features
from ctaplib.infer.vocode import load_vocoder, vocode
from ctaplib.models.griffin_lim import GriffinLim

FEATURES = FeatureConfig()


@pytest.fixture
def warnings_seen(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    logging.getLogger("ctaplib").propagate = True
    yield caplog
    logging.getLogger("ctaplib").propagate = False


def test_mel_comes_back_and_so_does_f0() -> None:
    spectrum = MelSpectrogram(FEATURES)
    mel = spectrum(tone(180.0, 100))[0]
    (wave,) = GriffinLim(FEATURES).generate([mel])
    assert wave.shape == (100 * FEATURES.hop_samples,)
    again = spectrum(wave[None])[0]
    loud = mel > -6.0
    assert (again - mel)[5:-5][loud[5:-5]].abs().mean() < 0.3
    ratio = 180.0 / pitch_hz(wave)
    assert abs(12 * math.log2(ratio / round(ratio))) < 0.5


def test_magnitudes_explain_the_mel() -> None:
    mel = MelSpectrogram(FEATURES)(tone(120.0, 50))[0]
    vocoder = GriffinLim(FEATURES)
    magnitudes = vocoder.magnitudes(mel)
    assert (magnitudes >= 0).all()
    error = (magnitudes @ vocoder.bank - mel.exp()).norm() / mel.exp().norm()
    assert error < 0.02


def test_it_warns_that_it_replaces_the_vocoder(warnings_seen: pytest.LogCaptureFixture) -> None:
    vocoder = load_vocoder(None, FEATURES)
    assert "Griffin-Lim generates the waveforms" in warnings_seen.text
    waves, seconds = vocode(vocoder, {u: Features(torch.full((n, 80), -6.0)) for u, n in (("b", 9), ("a", 4))})
    assert {u: len(w) for u, w in waves.items()} == {"a": 960, "b": 2160}
    assert set(seconds) == {"a", "b"} and all(s > 0 for s in seconds.values())


def test_a_run_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"config\.yaml is missing"):
        load_vocoder(tmp_path / "vocoder", FEATURES)
