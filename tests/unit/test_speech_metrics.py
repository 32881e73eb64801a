"""Signal measures: identities, known shifts, warping against the recurrence, the peer packages, silence."""

import numpy as np
import pytest
import soundfile
from fake_exp import RATE_HZ, speak
from mel_cepstral_distance import compare_audio_files

from ctaplib.audio.files import read_audio
from ctaplib.errors import AudioError
from ctaplib.evaluate import speech_metrics as sm
from ctaplib.evaluate.files_measured import measure_f0

SAID = [("sil", 0.1), ("a", 0.3), ("i", 0.25), ("u", 0.3), ("e", 0.25), ("sil", 0.1)]


@pytest.fixture(scope="module")
def voice():
    return speak(SAID, 120.0, 1.0, 0)


def test_f0_of_a_buzz(voice):
    track = sm.f0_track(voice, RATE_HZ)
    assert sm.voiced_median_hz(track) == pytest.approx(120.0, rel=0.06)
    assert (track > 0).mean() > 0.6
    assert abs(len(track) - len(voice) / RATE_HZ * 100) <= 2


def test_f0_of_silence_and_of_next_to_nothing_is_unvoiced():
    assert not sm.f0_track(np.zeros(RATE_HZ), RATE_HZ).any()
    assert not sm.f0_track(np.zeros(10), RATE_HZ).any()
    assert sm.voiced_median_hz(np.zeros(5)) is None
    assert sm.f0_offset_st(None, 100.0) is None


def test_f0_distances_by_hand():
    track = np.array([0.0, *np.linspace(100, 130, 20), 0.0, 110.0])
    octave = 2 * track
    octave[5] = 0.0
    assert sm.f0_offset_st(200.0, 100.0) == pytest.approx(12.0)
    assert sm.f0_offset_st(100.0, 200.0) == pytest.approx(12.0)
    assert sm.f0_correlation(track, octave) == pytest.approx(1.0)
    assert sm.f0_rmse_st(track, octave) == pytest.approx(12.0)
    assert sm.f0_correlation(track, track[::-1]) < 0.5
    assert sm.f0_correlation(track[:6], octave) is None
    assert sm.f0_correlation(np.full(30, 100.0), np.linspace(90, 110, 30)) is None


def plain_warp_cost(a, b):
    cost = np.linalg.norm(a[:, None] - b[None], axis=2)
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    return total[-1, -1]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 6), (6, 1), (5, 9), (12, 7)])
def test_the_warping_path_is_the_cheapest(rows, columns):
    random = np.random.default_rng(rows * 100 + columns)
    a, b = random.normal(size=(rows, 3)), random.normal(size=(columns, 3))
    path = sm.warp(a, b)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [rows - 1, columns - 1]
    steps = {tuple(step) for step in np.diff(path, axis=0).tolist()}
    assert steps <= {(1, 0), (0, 1), (1, 1)}
    cost = np.linalg.norm(a[path[:, 0]] - b[path[:, 1]], axis=1).sum()
    assert cost == pytest.approx(plain_warp_cost(a, b), rel=1e-6)


def test_mcd_agrees_with_the_package_whose_bands_it_uses(tmp_path, voice):
    noisy = voice + 0.01 * np.random.default_rng(0).standard_normal(len(voice))
    base = voice + 0.01 * np.random.default_rng(1).standard_normal(len(voice))
    for name, wave in (("a", noisy), ("b", base)):
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE_HZ, "PCM_16")
    package, _ = compare_audio_files(tmp_path / "a.wav", tmp_path / "b.wav", aligning="pad")
    waves = [read_audio(tmp_path / f"{name}.wav", dtype=np.float64)[0] for name in "ab"]
    ours = sm.mel_cepstral_distance_db(*(sm.mel_bels(w, RATE_HZ) for w in waves))
    assert ours == pytest.approx(package, rel=1e-6)


def test_the_same_audio_is_perfect(voice):
    same = sm.compare_resynthesis(voice, voice, RATE_HZ)
    assert same["mcd_db"] == 0.0
    assert same["stoi"] == pytest.approx(1.0, abs=1e-6)
    assert same["pesq_wb"] == pytest.approx(4.644, abs=0.01)
    pair = sm.compare_synthesis(voice, voice, RATE_HZ)
    assert set(pair.values()) == {0.0}


def test_noise_makes_everything_worse(voice):
    noisy = voice + 0.05 * np.random.default_rng(0).standard_normal(len(voice))
    worse = sm.compare_resynthesis(noisy, voice, RATE_HZ)
    assert worse["mcd_db"] > 1 and worse["stoi"] < 0.99 and worse["pesq_wb"] < 4


def test_a_slower_reading_in_another_pitch(voice):
    slow = speak([(p, d * 1.25) for p, d in SAID], 240.0, 1.0, 1)
    pair = sm.compare_synthesis(slow, voice, RATE_HZ)
    assert pair["speaking_rate_dev_pct"] == pytest.approx(20.0, abs=2.5)
    assert pair["f0_rmse_st"] == pytest.approx(12.0, abs=0.7)


def test_silence_has_no_measure_instead_of_a_number(voice):
    silence = np.zeros_like(voice)
    assert sm.pesq_wb(silence, silence, RATE_HZ) is None
    assert sm.pesq_wb(silence, voice, RATE_HZ) is None
    assert sm.stoi(voice[:2000], voice[:2000], RATE_HZ) is None
    assert sm.speech_duration_s(silence, RATE_HZ) is None
    assert sm.compare_synthesis(silence, voice, RATE_HZ) == dict.fromkeys(("mcd_db", "f0_rmse_st", "speaking_rate_dev_pct"))
    assert np.isfinite(sm.compare_resynthesis(silence, voice, RATE_HZ)["mcd_db"])


def test_audio_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"none.wav: the file is missing"):
        measure_f0(tmp_path / "none.wav")
    soundfile.write(tmp_path / "two.wav", np.zeros((100, 2)), RATE_HZ)
    with pytest.raises(AudioError, match=r"two.wav: it has 2 channels; expected one"):
        measure_f0(tmp_path / "two.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE_HZ)
    with pytest.raises(AudioError, match=r"none.wav: it has a header but no samples"):
        measure_f0(tmp_path / "none.wav")
