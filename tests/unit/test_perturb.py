"""Speed perturbation: lengths, pitch, names as in Kaldi, commands or files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ctaplib.audio.files import read_audio
from ctaplib.corpus.alignment import Interval
from ctaplib.corpus.datadir import DataDir, Segment, read_datadir, read_spans, write_datadir
from ctaplib.corpus.perturb import align_copies, perturb_set
from ctaplib.corpus.validate import validate_datadir
from ctaplib.errors import DataError, DependencyError

RATE = 16000
TOOLS = ["soxr", pytest.param("sox", marks=pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed"))]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two utterances of 220 Hz; the name of one file has a space and a letter that is not ASCII."""
    paths = {"s-1": tmp_path / "a b é.wav", "s-2": tmp_path / "c.wav"}
    for path in paths.values():
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE), RATE, subtype="PCM_16")
    utts = {"utt2spk": dict.fromkeys(paths, "s"), "text": dict.fromkeys(paths, "hello"), "feats.scp": dict.fromkeys(paths, "f:1")}
    ctm = {"phones.ctm": {u: [f"{u} 1 0.0000 1.0000 a", f"{u} 1 1.0000 0.9000 b"] for u in paths}}
    given = DataDir({u: str(p) for u, p in paths.items()}, utts, {"spk2gender": {"s": "f"}}, ctm)
    write_datadir(given, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("factor", ["0.9", "1.1"])
def test_a_copy_has_kaldis_names_and_the_length_and_pitch_of_its_speed(data: Path, tool: str, factor: str) -> None:
    perturb_set(data, data.parent / "sp", [factor], tool=tool)
    made = read_datadir(data.parent / "sp")
    name = f"sp{factor}-s-1"
    assert made.utt_ids == [name, f"sp{factor}-s-2"] and made.speakers == [f"sp{factor}-s"]
    assert made.utts["utt2uniq"][name] == "s-1" and dict(made.spks["spk2gender"]) == {f"sp{factor}-s": "f"}
    assert "feats.scp" not in made.utts
    wave, rate = read_audio(read_spans(data.parent / "sp")[name].path)
    expected_s = 2 / float(factor)
    assert abs(len(wave) / rate - expected_s) < 0.001 and abs(float(made.utts["utt2dur"][name]) - expected_s) < 0.001
    peak_hz = np.argmax(np.abs(np.fft.rfft(wave))) * rate / len(wave)
    assert abs(peak_hz - 220 * float(factor)) < 1
    times = made.ctms["phones.ctm"][name][1].split()
    assert abs(float(times[2]) - 1 / float(factor)) < 1e-3 and abs(float(times[3]) - 0.9 / float(factor)) < 1e-3
    report = validate_datadir(data.parent / "sp", rate_hz=RATE)
    assert report.faults == []


@pytest.mark.parametrize("tool", TOOLS)
def test_several_speeds_are_one_set_and_the_original_keeps_its_ids(data: Path, tool: str) -> None:
    for _ in range(2):  # again: the same
        perturb_set(data, data.parent / "train_sp", ["0.9", "1.0", "1.1"], tool=tool, nj=2)
        made = read_datadir(data.parent / "train_sp")
        assert made.utt_ids == ["s-1", "s-2", "sp0.9-s-1", "sp0.9-s-2", "sp1.1-s-1", "sp1.1-s-2"]
        assert made.speakers == ["s", "sp0.9-s", "sp1.1-s"] and made.utts["utt2uniq"]["sp1.1-s-2"] == "s-2"
        assert validate_datadir(data.parent / "train_sp", rate_hz=RATE).fatal == []
    assert not list((data.parent / "train_sp").glob(".sp*"))


def test_alignments_of_copies_are_those_of_the_originals_at_their_speed() -> None:
    given = {"s-1": [Interval("a", 0.0, 0.9), Interval("b", 0.9, 1.8)], "s-2": [Interval("a", 0.0, 1.0)]}
    names = {"s-1": "s-1", "sp0.9-s-1": "s-1", "sp0.9-s-2": "s-2", "sp1.1-s-3": "s-3", "other-s-1": "s-1"}
    found = align_copies(given, names)
    assert found.keys() == {"s-1", "s-2", "sp0.9-s-1", "sp0.9-s-2"}
    assert [(p, round(a, 6), round(b, 6)) for p, a, b in found["sp0.9-s-1"]] == [("a", 0.0, 1.0), ("b", 1.0, 2.0)]


def test_segments_move_with_the_speed(data: Path) -> None:
    given = read_datadir(data)
    utts = {"utt2spk": {"s-1": "s", "s-2": "s"}}
    segments = {"s-1": Segment("rec", 0.0, 0.9), "s-2": Segment("rec", 0.9, 1.8)}
    write_datadir(DataDir({"rec": given.wavs["s-1"]}, utts, segments=segments), data.parent / "cut")
    made = perturb_set(data.parent / "cut", data.parent / "cut_sp", ["0.9"], tool="soxr")
    assert made.segments == {"sp0.9-s-1": Segment("sp0.9-rec", 0.0, 1.0), "sp0.9-s-2": Segment("sp0.9-rec", 1.0, 2.0)}
    assert validate_datadir(data.parent / "cut_sp").fatal == []


@pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed")
def test_a_command_is_perturbed_by_a_longer_command(data: Path) -> None:
    given = read_datadir(data)
    wavs = {"s-1": f"cat '{given.wavs['s-1']}' |", "s-2": given.wavs["s-2"]}
    write_datadir(DataDir(wavs, given.utts), data)
    made = perturb_set(data, data.parent / "sp", ["1.1"], tool="sox")
    assert made.wavs["sp1.1-s-1"].endswith("| sox -t wav - -t wav - speed 1.1 |")
    assert validate_datadir(data.parent / "sp", rate_hz=RATE).fatal == []


@pytest.mark.parametrize("factors", [["0.9", "0.9"], ["fast"], ["0"], ["１.1"], []])
def test_speeds_that_are_none_are_refused(data: Path, factors: list[str]) -> None:
    with pytest.raises(DataError, match="expected"):
        perturb_set(data, data.parent / "sp", factors)
    assert not (data.parent / "sp" / "wav.scp").exists()


def test_bad_audio_is_listed_and_the_source_is_not_overwritten(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data.parent / "c.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"s-2: the file is empty"):
        perturb_set(data, data.parent / "sp", ["0.9"], tool="soxr")
    with pytest.raises(DataError, match="overwritten"):
        perturb_set(data, data, ["0.9"])
    monkeypatch.setenv("PATH", "")
    soundfile.write(data.parent / "c.wav", 0.1 * np.ones(RATE), RATE)
    with pytest.raises(DependencyError, match=r"sox is not installed.*--tool soxr"):
        perturb_set(data, data.parent / "sp", ["0.9"], tool="sox")
