"""The feature stage: the same for any number of processes; bad audio is listed or refused by name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctaplib.audio.files import is_stored, read_audio
from ctaplib.audio.settings import FeatureConfig
from ctaplib.audio.store import FeatureStore
from ctaplib.cli.main import main
from ctaplib.data.extract import extract_set, extract_sets
from ctaplib.errors import AudioError, DataError
from ctaplib.files import read_table, read_tsv

CONFIG = FeatureConfig()


def wave(seed: int, samples: int = 12345) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    lines = []
    for i in range(6):
        path = folder / f"u{i}.wav"
        soundfile.write(path, wave(i), 22050 if i % 2 else 24000, "PCM_16")
        lines.append(f"u{i} {path}\n")
    (folder / "wav.scp").write_text("".join(lines))
    return tmp_path / "data"


def test_any_number_of_processes_gives_the_same_files(data: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        extract_sets(data, tmp_path / f"dump{jobs}", ["train"], "train", CONFIG, jobs=jobs)
    for name in ("stats.npz", "train/utt2num_frames", "train/feats.ark", "train/f0.ark", "train/wav/u1.wav"):
        assert (tmp_path / "dump1" / name).read_bytes() == (tmp_path / "dump2" / name).read_bytes(), name


def test_statistics_and_lengths_are_those_of_the_features(data: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    extract_sets(data, dump, ["train"], "train", CONFIG)
    store, stats = FeatureStore(dump / "train" / "feats.scp"), np.load(dump / "stats.npz")
    frames = np.concatenate([store[u] for u in store])
    np.testing.assert_allclose(stats["mean"], frames.mean(0), atol=1e-3)
    np.testing.assert_allclose(stats["std"], frames.std(0), atol=1e-3)
    assert {u: int(n) for u, n in read_table(dump / "train" / "utt2num_frames").items()} == store.lengths()
    wavs = read_table(dump / "train" / "wav.scp")
    assert wavs["u0"] == str(data / "train" / "u0.wav") and wavs["u1"] == str(dump / "train" / "wav" / "u1.wav")
    for utt, path in wavs.items():
        assert soundfile.info(path).samplerate == 24000
        assert soundfile.info(path).frames // 240 == store.length(utt)


def test_unchanged_inputs_are_left_alone(data: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump" / "train"
    assert extract_set(data / "train", dump, CONFIG, skip_unchanged=True)
    assert not extract_set(data / "train", dump, CONFIG, skip_unchanged=True)
    assert extract_set(data / "train", dump, FeatureConfig(n_mels=40), skip_unchanged=True)


def test_a_missing_set_is_told_of_before_work_on_another(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["features", "--data", str(data), "--dump", str(tmp_path / "dump"), "--train_set", "train"]
    assert main([*words, "--sets", "train elsewhere"]) == 1
    assert f"{data}/elsewhere/wav.scp is missing" in capsys.readouterr().err
    assert not (tmp_path / "dump").exists()


def test_unusable_audio_is_listed_and_too_much_of_it_fails(data: Path, tmp_path: Path) -> None:
    train = data / "train"
    soundfile.write(train / "u0.wav", np.stack([wave(0), wave(1)], 1), 24000, "PCM_16")
    soundfile.write(train / "u1.wav", np.zeros(5000), 24000, "PCM_16")
    soundfile.write(train / "u2.wav", wave(0, 100), 24000, "PCM_16")
    (train / "u3.wav").write_bytes(b"")
    (train / "u4.wav").unlink()
    with pytest.raises(DataError, match=r"5 of 6 utterances \(83.3 %\) cannot be used") as fault:
        extract_set(train, tmp_path / "dump", CONFIG)
    assert not (tmp_path / "dump" / "feats.scp").exists()
    text = str(fault.value)
    assert "u0: " in text and "2 channels; expected one" in text and "u4: " in text
    extract_set(train, tmp_path / "dump", CONFIG, max_dropped_pct=100)
    reasons = {row["utt"]: row["reason"] for row in read_tsv(tmp_path / "dump" / "dropped_features.tsv")}
    assert set(reasons) == {"u0", "u1", "u2", "u3", "u4"}
    assert "silent" in reasons["u1"] and "a wave of 100 samples" in reasons["u2"] and "is missing" in reasons["u4"]


def test_numbers_that_are_not_finite_are_an_error_that_names_the_utterance(data: Path, tmp_path: Path) -> None:
    bad = wave(0).astype(np.float32)
    bad[100] = np.nan
    soundfile.write(data / "train" / "u3.wav", bad, 24000, "FLOAT")
    with pytest.raises(DataError, match=r"u3: .*u3.wav: 1 samples are NaN or infinite"):
        extract_set(data / "train", tmp_path / "dump", CONFIG)


def loud(samples: int = 24000) -> np.ndarray:
    """All 65,536 values of 16 bits, in some order."""
    return np.resize(np.random.default_rng(0).permutation(np.arange(-32768, 32768)), samples).astype(np.int16)


@pytest.mark.parametrize(("name", "kind"), [("a.wav", "PCM_16"), ("a.flac", "PCM_16"), ("b.wav", "PCM_24"), ("b.flac", "PCM_24")])
def test_a_wave_is_what_the_library_reads_rounded_to_16_bits(tmp_path: Path, name: str, kind: str) -> None:
    samples = loud(70000).astype(np.float64) / 32768
    soundfile.write(tmp_path / name, samples if kind == "PCM_16" else 0.7 * samples, 24000, kind)
    read, _ = soundfile.read(tmp_path / name, dtype="float32")
    found, _ = read_audio(tmp_path / name, 24000, as_16_bits=True)
    assert found.dtype == np.float32 and is_stored(tmp_path / name, 24000) == (name == "a.wav")
    assert np.array_equal(found, np.clip(np.rint(read * 32768), -32768, 32767).astype(np.float32) / 32768)


def test_features_of_flac_are_those_of_wav_and_its_samples_are_kept(tmp_path: Path) -> None:
    found = {}
    for kind in ("wav", "flac"):
        folder = tmp_path / kind / "train"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"u.{kind}", loud(), 24000, "PCM_16")
        (folder / "wav.scp").write_text(f"u {folder}/u.{kind}\n")
        extract_set(folder, tmp_path / kind / "dump", CONFIG)
        kept, rate = soundfile.read(read_table(tmp_path / kind / "dump" / "wav.scp")["u"], dtype="int16")
        assert rate == 24000 and np.array_equal(kept, loud())
        found[kind] = [(tmp_path / kind / "dump" / f"{name}.ark").read_bytes() for name in ("feats", "f0")]
    assert found["wav"] == found["flac"]


def test_reading_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(AudioError, match=r"a\.wav cannot be read"):
        read_audio(tmp_path / "a.wav", 24000, as_16_bits=True)


def test_segments_are_cut_out_of_their_recordings(data: Path, tmp_path: Path) -> None:
    (data / "train" / "segments").write_text("a-1 u0 0.1 0.3\na-2 u1 0.0 0.25\nb-1 u0 5.0 6.0\n")
    extract_set(data / "train", tmp_path / "dump", CONFIG, max_dropped_pct=50)
    assert {u: int(n) for u, n in read_table(tmp_path / "dump" / "utt2num_frames").items()} == {"a-1": 20, "a-2": 25}
    whole, _ = read_audio(data / "train" / "u0.wav", 24000, as_16_bits=True)
    cut, _ = soundfile.read(read_table(tmp_path / "dump" / "wav.scp")["a-1"], dtype="float32")
    np.testing.assert_array_equal(cut, whole[2400:7200])
    assert "from 5.0 s to 6.0 s lies outside" in read_tsv(tmp_path / "dump" / "dropped_features.tsv")[0]["reason"]


def test_features_of_commands_and_their_segments_are_those_of_the_files(data: Path, tmp_path: Path) -> None:
    train = data / "train"
    segments = "".join(f"a-{k} u{k % 2} {0.1 * (k // 2):.1f} {0.1 * (k // 2) + 0.2:.1f}\n" for k in range(4))
    for name, cut in (("whole", ""), ("cut", segments)):
        if cut:
            (train / "segments").write_text(cut)
        extract_set(train, tmp_path / f"{name}_files", CONFIG)
        (train / "wav.scp").write_text("".join(f"u{i} cat {train}/u{i}.wav |\n" for i in range(6)))
        extract_set(train, tmp_path / f"{name}_commands", CONFIG, jobs=2)
        (train / "wav.scp").write_text("".join(f"u{i} {train}/u{i}.wav\n" for i in range(6)))
        for file in ("feats.ark", "f0.ark", "utt2num_frames"):
            made = [(tmp_path / f"{name}_{kind}" / file).read_bytes() for kind in ("files", "commands")]
            assert made[0] == made[1], file
        assert all(Path(path).is_file() for path in read_table(tmp_path / f"{name}_commands" / "wav.scp").values())


def test_a_failed_command_is_listed_with_what_it_printed(data: Path, tmp_path: Path) -> None:
    (data / "train" / "wav.scp").write_text(f"u0 {data}/train/u0.wav\nu1 echo gone >&2; exit 3 |\n")
    extract_set(data / "train", tmp_path / "dump", CONFIG, max_dropped_pct=60)
    reason = read_tsv(tmp_path / "dump" / "dropped_features.tsv")[0]["reason"]
    assert "`echo gone >&2; exit 3` ended with status 3 and printed: gone" in reason


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100])
def test_a_stretch_is_that_of_the_whole_resampled_recording(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(3 * rate) * 3000 / rate), rate, "PCM_16")
    whole, _ = read_audio(tmp_path / "a.wav", 24000, as_16_bits=True)
    for start_s in (0.0, 0.0137, 1.0037, 2.09):
        cut, _ = read_audio(tmp_path / "a.wav", 24000, start_s=start_s, end_s=start_s + 0.9, as_16_bits=True)
        first = round(start_s * 24000)
        np.testing.assert_allclose(cut, whole[first : first + len(cut)], atol=3 / 32768)
        assert len(cut) == round((start_s + 0.9) * 24000) - first
