"""Checking data directories: every fault at once, with place and remedy; repairing them without loss."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_audio import BAD, USABLE, make_bad

from ctaplib.cli.main import main
from ctaplib.corpus.datadir import DataDir, read_datadir, write_datadir
from ctaplib.corpus.validate import Report, fix_datadir, validate_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_tsv

UTTS = [f"s{k}-{i}" for k in range(2) for i in range(3)]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A data directory without faults."""
    for utt in UTTS:
        tone = 0.2 * np.sin(np.arange(16000) * 0.1)
        soundfile.write(tmp_path / f"{utt}.wav", tone, 16000, subtype="PCM_16")
    data = DataDir(
        wavs={u: str(tmp_path / f"{u}.wav") for u in UTTS},
        utts={
            "utt2spk": {u: u[:2] for u in UTTS},
            "text": dict.fromkeys(UTTS, "a cat"),
            "text.phn": dict.fromkeys(UTTS, "AH0 K AE1 T"),
            "phn2word": dict.fromkeys(UTTS, "0 1 1 1"),
            "utt2dur": dict.fromkeys(UTTS, "1.0000"),
        },
        spks={"spk2gender": {"s0": "f", "s1": "m"}},
    )
    write_datadir(data, tmp_path / "data")
    return tmp_path / "data"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def lines(report: Report) -> str:
    return "\n".join(map(str, report.faults))


def test_a_good_directory_has_no_faults(good: Path) -> None:
    report = validate_datadir(good, rate_hz=16000)
    assert report.faults == [] and report.utts == 6 and report.speakers == 2 and report.duration_s == 6.0
    assert report.summary().endswith("6 utterances of 2 speakers, 0.1 minutes; 0 faults, 0 warnings")


@pytest.mark.parametrize(
    "name,old,new,message",
    [
        ("text", "s0-1 a cat\n", "s0-1 a cat\ns0-1 a dog\n", "text:3: duplicate id s0-1, first in line 2"),
        ("utt2spk", "s0-0 s0\ns0-1 s0\n", "s0-1 s0\ns0-0 s0\n", "utt2spk:2: unsorted: s0-0 after s0-1; expected LC_ALL=C order"),
        ("text", "s0-1 a cat\n", "s0-1\n", "text:2: s0-1: empty text"),
        ("text", "s0-1 a cat\n", "", "text:1: s0-1 has no line in text"),
        ("text", "s1-2 a cat\n", "s1-2 a cat\nzz hello\n", "text:7: zz is not in the other tables"),
        ("text", "s0-1 a cat\n", "s0-1 a \x07cat\n", "text:2: s0-1: unknown symbols U+0007"),
        ("text.phn", "s0-1 AH0", "s0-1 QQ0", "text.phn:2: s0-1: unknown symbols QQ0"),
        (
            "text.phn",
            "s0-1 AH0 K AE1 T",
            "s0-1" + " T" * 200,
            "text.phn:2: s0-1: text far too long for its audio: 200 phones in 1.00 s",
        ),
        ("phn2word", "s0-1 0 1 1 1", "s0-1 0 1 1", "phn2word:2: s0-1: expected 4 word numbers"),
        ("phn2word", "s0-1 0 1 1 1", "s0-1 1 0 0 0", "phn2word:2: s0-1: expected 4 word numbers in rising order"),
        ("spk2utt", "s0 s0-0", "s0", "spk2utt:1: it does not agree with utt2spk (e.g. s0-0)"),
        ("wav.scp", "s0-1 ", "s0-1 sox x.flac -t wav - |", "wav.scp:2: s0-1: sox x.flac -t wav - |: the command `sox x.flac"),
        ("utt2dur", "s0-1 1.0000", "s0-1 7.5", "utt2dur:2: s0-1: 7.5 s, but the audio has 1.0000 s"),
        ("utt2dur", "s0-1 1.0000", "s0-1 long", "utt2dur:2: s0-1: long s"),
    ],
)
def test_each_fault_of_a_table_names_file_line_and_remedy(good: Path, name: str, old: str, new: str, message: str) -> None:
    edit(good / name, old, new) if name != "wav.scp" else (good / name).write_text(
        "".join(f"{u} sox x.flac -t wav - |\n" if u == "s0-1" else f"{u} {good.parent / u}.wav\n" for u in UTTS)
    )
    report = validate_datadir(good, tokens=["AH0", "K", "AE1", "T"])
    assert message in lines(report)
    assert all(";" in str(fault) for fault in report.faults)


@pytest.mark.parametrize("kind", BAD)
def test_each_bad_audio_file_is_found_with_its_line(good: Path, kind: str) -> None:
    (good.parent / "s0-1.wav").unlink()
    make_bad(kind, good.parent / "s0-1.wav")
    report = validate_datadir(good, rate_hz=16000)
    found = [fault for fault in report.faults if BAD[kind] in fault.message]
    assert len(found) == 1 and found[0].place.endswith("wav.scp:2") and "s0-1" in found[0].message
    assert found[0].fatal == (kind not in USABLE - {"silent"})


def test_all_faults_come_at_once(good: Path) -> None:
    edit(good / "text", "s0-0 a cat", "s0-0")
    edit(good / "text.phn", "s1-0 AH0", "s1-0 QQ")
    make_bad("silent", good.parent / "s0-1.wav")
    (good.parent / "s0-2.wav").unlink()
    make_bad("empty", good.parent / "s1-1.wav")
    report = validate_datadir(good, tokens=["AH0", "K", "AE1", "T"], nj=2)
    assert {fault.utt for fault in report.fatal} == {"s0-0", "s0-1", "s0-2", "s1-0", "s1-1"}
    assert "; 5 faults, 0 warnings" in report.summary()


def test_a_missing_table_and_a_file_that_is_not_utf8(good: Path) -> None:
    (good / "utt2spk").unlink()
    (good / "text").write_bytes(b"s0-0 a\ns0-1 \xff\xfe\n")
    found = lines(validate_datadir(good))
    assert "utt2spk:1: the file is missing" in found and "text:2: it is not UTF-8" in found


def test_segments_outside_their_recording(good: Path) -> None:
    (good / "segments").write_text("".join(f"{u} {u} 0.0 {9.0 if u == 's0-1' else 0.9}\n" for u in UTTS))
    assert "segments:2: s0-1: 0.0 s to 9.0 s does not lie in the 1.000 s of s0-1" in lines(validate_datadir(good))


def test_fix_sorts_drops_with_reasons_and_keeps_a_backup(good: Path) -> None:
    edit(good / "utt2spk", "s0-0 s0\ns0-1 s0\n", "s0-1 s0\ns0-0 s0\n")
    edit(good / "text", "s0-2 a cat", "s0-2")
    make_bad("silent", good.parent / "s1-1.wav")
    before = (good / "utt2spk").read_bytes()
    dropped = fix_datadir(good, validate_datadir(good))
    assert {row["utt"]: row["reason"].split(":")[0] for row in dropped} == {"s0-2": "text", "s1-1": "wav.scp"}
    assert validate_datadir(good).faults == []
    assert read_datadir(good).utt_ids == ["s0-0", "s0-1", "s1-0", "s1-2"]
    assert (good / ".backup" / "utt2spk").read_bytes() == before
    assert [row["utt"] for row in read_tsv(good / "dropped.tsv")] == ["s0-2", "s1-1"]


def test_fix_refuses_to_leave_nothing(good: Path) -> None:
    for utt in UTTS:
        make_bad("silent", good.parent / f"{utt}.wav")
    with pytest.raises(DataError, match="no utterance would be left"):
        fix_datadir(good, validate_datadir(good))


def test_the_command_lists_faults_and_fails_then_fixes(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(good / "text", "s0-2 a cat", "s0-2")
    assert main(["data", "validate", str(good), "--nj", "1"]) == 1
    assert "s0-2: empty text" in capsys.readouterr().err
    assert main(["data", "validate", str(good), "--nj", "1", "--fix"]) == 0
    assert "5 utterances" in capsys.readouterr().out
