"""The speaker judge gives Resemblyzer's numbers, in batches, and remembers them by content."""

import sys
import types

import numpy as np
import pytest
import soundfile
from fake_exp import RATE_HZ, speak

from ctaplib.audio.files import read_audio
from ctaplib.evaluate import speaker

SAID = [("sil", 0.4), ("a", 0.3), ("i", 0.35), ("sil", 0.5), ("u", 0.3), ("e", 0.45), ("o", 0.6)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    for name, pitch, scale, repeat in (("low", 100, 1.0, 1), ("high", 210, 1.15, 2), ("again", 104, 1.0, 1)):
        wave = speak(SAID * repeat, pitch, scale, len(name))
        soundfile.write(folder / f"{name}.wav", 0.05 * wave if name == "again" else wave, RATE_HZ)
    return folder


def test_the_mel_spectrogram_is_that_of_the_package(files):
    librosa = pytest.importorskip("librosa")
    wave, _ = read_audio(files / "high.wav")
    theirs = librosa.feature.melspectrogram(y=wave, sr=16000, n_fft=400, hop_length=160, n_mels=40).T
    np.testing.assert_allclose(speaker.mel_power(wave), theirs, rtol=1e-4, atol=1e-7)


def test_embeddings_are_those_of_the_package(files, monkeypatch):
    ndimage = pytest.importorskip("scipy.ndimage")
    if "scipy.ndimage.morphology" not in sys.modules:
        old = types.ModuleType("scipy.ndimage.morphology")
        old.binary_dilation = ndimage.binary_dilation
        monkeypatch.setitem(sys.modules, "scipy.ndimage.morphology", old)
    resemblyzer = pytest.importorskip("resemblyzer")
    peer = resemblyzer.VoiceEncoder("cpu", verbose=False)
    paths = [files / f"{name}.wav" for name in ("low", "high", "again")]
    for path, ours in zip(paths, speaker.embed_files(paths)):
        theirs = peer.embed_utterance(resemblyzer.preprocess_wav(path))
        assert float(ours @ theirs) > 1 - 1e-3


def test_one_at_a_time_or_together_is_the_same(files):
    paths = sorted(files.glob("*.wav"))
    together = speaker.embed_files(paths)
    for path, embedding in zip(paths, together):
        np.testing.assert_allclose(speaker.embed_files([path])[0], embedding, atol=1e-6)
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_voices_are_told_apart(files):
    low, high, again = speaker.embed_files([files / f"{n}.wav" for n in ("low", "high", "again")])
    assert speaker.cosine(low, again) > speaker.cosine(low, high)


def test_no_voice_is_none_and_not_a_number(tmp_path, files):
    soundfile.write(tmp_path / "zero.wav", np.zeros(16000), RATE_HZ)
    soundfile.write(tmp_path / "short.wav", np.ones(100) * 0.1, RATE_HZ)
    found = speaker.embed_files([tmp_path / "zero.wav", files / "low.wav", tmp_path / "short.wav"])
    assert found[0] is None and found[2] is None and found[1].shape == (256,)
    assert speaker.embed_files([tmp_path / "zero.wav"]) == [None]
    assert speaker.cosine(None, found[1]) is None
    assert speaker.mean_embedding([found[1], None]) is None


def test_the_cache_knows_content_not_names(tmp_path, files):
    key = speaker.content_key(files / "low.wav")
    (tmp_path / "copy.wav").write_bytes((files / "low.wav").read_bytes())
    assert speaker.content_key(tmp_path / "copy.wav") == key != speaker.content_key(files / "high.wav")
    embedding = speaker.embed_files([files / "low.wav"])[0]
    speaker.write_cache(tmp_path / "cache.npz", {key: embedding, "silent": None})
    read = speaker.read_cache(tmp_path / "cache.npz")
    np.testing.assert_array_equal(read[key], embedding)
    assert read["silent"] is None
    assert speaker.read_cache(tmp_path / "none.npz") == {}
