"""Faults that people's own data have: each is named with its place and its remedy, and nothing is lost or written elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from kaldi_call import ROOT
from small_corpora import make_folder, make_ljspeech, make_table, snapshot, tone

from ctaplib.cli.main import main
from ctaplib.corpus.datadir import DataDir, combine, read_datadir, write_datadir
from ctaplib.corpus.validate import Report, fix_datadir, validate_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_tsv

UTTS = [f"s-{k}" for k in range(4)]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A data directory without faults."""
    wavs = {utt: str(tone(tmp_path / "audio" / f"{utt}.wav")) for utt in UTTS}
    utts = {"utt2spk": dict.fromkeys(UTTS, "s"), "text": dict.fromkeys(UTTS, "a cat"), "utt2dur": dict.fromkeys(UTTS, "0.6")}
    write_datadir(DataDir(wavs, utts), tmp_path / "data")
    return tmp_path / "data"


def told(report: Report) -> str:
    return "\n".join(map(str, report.faults))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def repaired(path: Path) -> DataDir:
    """Repair, and make sure that what there was is in the backup."""
    before = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
    fix_datadir(path, validate_datadir(path))
    assert {p.name: p.read_bytes() for p in (path / ".backup").iterdir()} == before
    assert validate_datadir(path).fatal == []
    return read_datadir(path)


def test_text_without_audio_and_audio_without_text(good: Path) -> None:
    replace(good / "wav.scp", f"s-1 {good.parent}/audio/s-1.wav\n", "")
    replace(good / "text", "s-2 a cat\n", "")
    found = told(validate_datadir(good))
    assert f"{good}/wav.scp:1: s-1 has no line in wav.scp; add it, or drop s-1" in found
    assert f"{good}/text:1: s-2 has no line in text; add it, or drop s-2" in found
    assert repaired(good).utt_ids == ["s-0", "s-3"]
    reasons = {row["utt"]: row["reason"] for row in read_tsv(good / "dropped.tsv")}
    assert set(reasons) == {"s-1", "s-2"} and "wav.scp" in reasons["s-1"] and "text" in reasons["s-2"]


def test_one_file_of_another_rate_is_named(good: Path) -> None:
    tone(good.parent / "audio" / "s-2.wav", rate=8000)
    report = validate_datadir(good)
    assert "wav.scp:3: s-2: " in told(report) and "its rate is 8000 Hz, most others have 16000 Hz; expected one rate" in told(
        report
    )
    assert report.fatal == [], "features resample it"
    assert "wav.scp:3: s-2" in told(validate_datadir(good, rate_hz=16000))


def test_line_ends_and_marks_of_other_systems(good: Path) -> None:
    want = read_datadir(good)
    for name in ("text", "wav.scp", "utt2spk", "utt2dur"):
        (good / name).write_bytes(b"\xef\xbb\xbf" + (good / name).read_bytes().replace(b"\n", b"\r\n"))
    found = told(validate_datadir(good))
    assert f"{good}/text:1: the file begins with a byte order mark; expected plain UTF-8" in found
    assert f"{good}/utt2spk:4: the line ends in CR LF; expected LF" in found
    assert repaired(good) == want
    assert b"\r" not in (good / "text").read_bytes() and not (good / "text").read_bytes().startswith(b"\xef")


def test_full_width_digits_and_odd_spaces(good: Path) -> None:
    replace(good / "utt2dur", "s-1 0.6", "s-1 ０.６")
    replace(good / "text", "s-2 a cat", "s-2 a\u3000cat")
    for name in ("text", "wav.scp", "utt2spk", "utt2dur"):
        replace(good / name, "s-3 ", "s-３ ")
    for name in ("spk2utt",):
        replace(good / name, "s-3", "s-３")
    found = told(validate_datadir(good))
    assert f"{good}/utt2dur:2: s-1: full-width digits in '０.６'; expected '0.6'" in found
    assert f"{good}/text:3: s-2: white space U+3000" in found
    assert f"{good}/utt2spk:4: s-３: full-width digits or letters; expected s-3; rename it in every table" in found
    data = repaired(good)
    assert data.utts["utt2dur"]["s-1"] == "0.6" and data.utts["text"]["s-2"] == "a cat" and len(data.utt_ids) == 4


def test_a_second_line_of_an_id_is_listed_when_it_is_dropped(good: Path) -> None:
    replace(good / "text", "s-1 a cat\n", "s-1 a cat\ns-1 a dog\n")
    assert repaired(good).utts["text"]["s-1"] == "a cat"
    assert read_tsv(good / "dropped.tsv") == [
        {"utt": "s-1", "reason": "text:3: duplicate id s-1, first in line 2; keep one line per id; the first was kept"}
    ]


def test_paths_with_spaces_and_letters_of_other_scripts_are_read(good: Path) -> None:
    path = tone(good.parent / "Meine Aufnahmen" / "Größe (1)  ü 录音.wav")
    replace(good / "wav.scp", f"{good.parent}/audio/s-1.wav", str(path))
    assert validate_datadir(good).faults == []
    (good.parent / "audio" / "s-0.wav").unlink()
    assert repaired(good).wavs["s-1"] == str(path), "two spaces in a path stay two"


def test_an_id_that_cannot_name_a_file(good: Path) -> None:
    replace(good / "text", "s-1 ", "s/1 ")
    assert "text:2: s/1: an id is the name of a file, which cannot hold `/`; rename it" in told(validate_datadir(good))


def test_duplicate_ids_over_sub_corpora_are_all_named_with_both(good: Path) -> None:
    other = read_datadir(good)
    moved = DataDir({u: v.replace("audio", "more") for u, v in other.wavs.items()}, other.utts)
    with pytest.raises(DataError, match=r"(?s)4 clashes.*wav.scp: s-0 occurs twice.*in clean and in other.*s-3 occurs twice"):
        combine([other, moved], ["clean", "other"])
    combined = good.parent / "both"
    write_datadir(moved, good.parent / "other")
    assert main(["kaldi", "combine_data", str(combined), str(good), str(good.parent / "other")]) == 1
    assert not combined.exists()


@pytest.mark.parametrize("locale", ["C.UTF-8", "en_US.UTF-8", "no_SUCH"])
def test_the_order_is_that_of_bytes_under_every_locale(tmp_path: Path, locale: str) -> None:
    ids = ["s-_", "s-10", "s-9", "s-a", "s-ä", "s-B", "s-b1", "s-b-2", "s-Z"]  # as `sort` under an English locale has them
    wavs = {utt: str(tone(tmp_path / f"{k}.wav")) for k, utt in enumerate(ids)}
    utts = {"utt2spk": dict.fromkeys(ids, "s"), "text": dict.fromkeys(ids, "a")}
    write_datadir(DataDir(wavs, utts), tmp_path / "data")
    for name, value in (("text", "a"), ("utt2spk", "s")):
        (tmp_path / "data" / name).write_text("".join(f"{utt} {value}\n" for utt in ids), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "ctaplib.cli.main", "data", "validate", "--nj", "1", str(tmp_path / "data")]
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "data/utt2spk:6: unsorted: s-B after s-ä; expected LC_ALL=C order, by bytes, whatever the locale" in done.stderr
    done = subprocess.run([*command, "--fix"], env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0 and read_datadir(tmp_path / "data").utts["utt2spk"].keys() == set(ids)
    keys = [line.split()[0] for line in (tmp_path / "data" / "utt2spk").read_bytes().splitlines()]
    assert keys == sorted(keys) and len(keys) == len(ids)


def test_a_command_that_fails_is_told_with_what_it_printed(good: Path) -> None:
    wav = good.parent / "audio" / "s-1.wav"
    replace(good / "wav.scp", str(wav), f"cat {wav} | (cat >/dev/null; echo the disk is gone >&2; exit 7) |")
    replace(good / "wav.scp", f"{good.parent}/audio/s-2.wav", "no_such_program x |")
    found = told(validate_datadir(good))
    assert "wav.scp:2: s-1: " in found and "ended with status 7 and printed: the disk is gone" in found
    assert "`no_such_program x` ended with status 127" in found and "not found" in found
    assert repaired(good).utt_ids == ["s-0", "s-3"]


def test_a_repair_that_cannot_end_changes_nothing(good: Path) -> None:
    (good / "text").write_bytes(b"s-0 caf\xe9\n")
    before = snapshot(good)
    with pytest.raises(DataError, match=r"(?s)nothing was changed.*text:1: it is not UTF-8"):
        fix_datadir(good, validate_datadir(good))
    assert snapshot(good) == before


def bring(source: Path, *words: object) -> int:
    return main(["data", "import", str(source), "--data", str(source.parent / "data"), "--nj", "1", *map(str, words)])


def test_import_lists_every_fault_at_once_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_ljspeech(source, 1, 26)
    lines = (source / "metadata.csv").read_text().splitlines()
    lines[2] = "S0-002|one|two|three"
    lines[3] = lines[4]
    (source / "metadata.csv").write_text("\n".join(lines) + "\n")
    (source / "wavs" / "S0-007.wav").unlink()
    (source / "wavs" / "S0-008.wav").write_bytes(b"")
    tone(source / "wavs" / "S0-099.wav")
    soundfile.write(source / "wavs" / "S0-010.wav", [[0.1, 0.2]] * 16000, 16000)
    assert bring(source, "--speaker", "s") == 1
    found = capsys.readouterr().err
    for message in (
        "metadata.csv:3: 4 fields, expected `name|text` or `name|text|normalised text`",
        "metadata.csv:5: S0-004 was there before, in line 4",
        "S0-007: " + str(source / "metadata.csv") + ":8: text without audio: no audio file S0-007 in",
        "S0-008.wav: the file is empty (0 bytes)",
        "S0-099.wav: audio without text: no line in",
        "S0-010.wav: it has 2 channels; expected one",
    ):
        assert message in found
    assert not (tmp_path / "data").exists()


def test_import_leaves_out_what_it_is_allowed_to_and_lists_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 1, 30)
    folder = source / "spk0"
    (folder / "003.txt").unlink()
    (folder / "004.wav").unlink()
    (folder / "005.txt").write_text("\n")
    (folder / "006.txt").write_text("a text that nobody says in so short a time as that, " * 3)
    (folder / "007.wav").rename(folder / "007.m4a")
    tone(folder / "008.wav", rate=8000)
    before = snapshot(source)
    assert bring(source, "--speaker", "s") == 1
    assert "6 of 31 utterances" in capsys.readouterr().err
    assert bring(source, "--speaker", "s", "--max_dropped_pct", 30) == 0
    reasons = {row["utt"]: row["reason"] for row in read_tsv(tmp_path / "data" / "train" / "dropped.tsv")}
    told = "\n".join(f"{utt}: {reason}" for utt, reason in reasons.items())
    for message in (
        "003.wav: audio without text: there is no 003.txt", "004.txt: text without audio", "005.wav: its text is empty: ",
        "text far too long for its audio", "007.m4a: .m4a cannot be read; convert it", "007.txt: text without audio",
    ):  # fmt: skip
        assert message in told
    assert "008.wav: 8000 Hz, most others have 16000 Hz; features resample it" in capsys.readouterr().err
    kept = sum(len(read_datadir(tmp_path / "data" / name).utt_ids) for name in ("train", "dev", "test"))
    assert kept == 25, "30, less five without text or audio"
    assert snapshot(source) == before


def test_the_wrong_folder_is_told_with_what_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "holiday").mkdir(parents=True)
    for k in range(3):
        (tmp_path / "photos" / "holiday" / f"{k}.jpg").write_bytes(b"x")
    assert bring(tmp_path / "photos") == 1
    found = capsys.readouterr().err
    assert (
        "is none of the known kinds: it holds 3 .jpg, in folders holiday" in found
        and "LJSpeech's metadata.csv and wavs/" in found
    )
    assert bring(tmp_path / "nowhere") == 1 and "there is no" in capsys.readouterr().err
    assert bring(tmp_path / "photos", "--kind", "ljspeech") == 1
    assert "it lacks" in capsys.readouterr().err
    assert bring(tmp_path / "photos", "--kind", "tape") == 1 and "no kind 'tape'" in capsys.readouterr().err


def test_half_a_table_and_rows_without_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_table(source, 2, 15)
    table = source / "table.csv"
    text = table.read_text()
    table.write_text(text[: text.rindex('"') - 3])
    assert bring(source) == 1
    told = capsys.readouterr().err
    assert "is not closed as it should be before the end of the file (unexpected end of data)" in told
    table.write_text(text.replace("3,c1_3.wav,", "3,c1_3.wav,x,", 1).replace("2,c0_2.wav", "2,c9_9.wav", 1))
    assert bring(source) == 1
    found = capsys.readouterr().err
    assert "table.csv:20: 6 columns, the header has 5" in found and "table.csv:4: text without audio: no file 'c9_9.wav'" in found


def test_the_same_name_in_two_folders_is_told_with_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 2, 13)
    for spk in range(2):
        tone(source / f"spk{spk}" / "013.wav").with_suffix(".txt").write_text("one more")
    (source / "spk0" / "002.wav").write_bytes(b"")
    assert bring(source) == 1
    found = capsys.readouterr().err
    assert "13 faults, and 1 of 28 utterances (3.6 %) cannot be used" in found and "--speaker_folder" in found
    assert f"id corpus-000 (000 in the source) twice: {source}/spk0/000.wav and {source}/spk1/000.wav; rename one" in found
    assert "002.wav: the file is empty" in found, "what else is wrong is told as well"


def test_nothing_is_written_into_a_corpus_that_may_not_be_written(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 1, 26)
    before = snapshot(source)
    for place in (source, *source.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        assert bring(source, "--speaker", "s", "--lists", tmp_path / "lists") == 0
        assert validate_datadir(tmp_path / "data" / "train").faults == []
    finally:
        for place in (source, *(p for p in source.rglob("*") if p.is_dir())):
            place.chmod(0o755)
    assert snapshot(source) == before and {p.name for p in source.iterdir()} == {"spk0"}
