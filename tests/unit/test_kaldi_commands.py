"""Kaldi's commands for data directories: their names, the order of their arguments, their exit statuses."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from kaldi_call import ROOT, call

from ctaplib.cli.main import main
from ctaplib.corpus.datadir import DataDir, Segment, read_datadir, write_datadir
from ctaplib.corpus.perturb import perturb_set
from ctaplib.corpus.shards import deal_evenly, deal_groups

UTTS = {f"{spk}-{i}": spk for spk in "abc" for i in range(4)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three speakers, four utterances of growing length each."""
    for number, utt in enumerate(UTTS):
        tone = 0.2 * np.sin(np.arange(8000 + 800 * (number % 4)) * 0.1)
        soundfile.write(tmp_path / f"{utt}.wav", tone, 16000, subtype="PCM_16")
    utts = {"utt2spk": UTTS, "text": dict.fromkeys(UTTS, "hello there")}
    write_datadir(DataDir({u: str(tmp_path / f"{u}.wav") for u in UTTS}, utts), tmp_path / "data")
    return tmp_path / "data"


def kaldi(*words: object) -> int:
    return main(["kaldi", *map(str, words)])


def utts(path: Path) -> list[str]:
    return read_datadir(path).utt_ids


def test_every_script_calls_a_command_that_exists(tmp_path: Path) -> None:
    scripts = [p for p in (ROOT / "utils").rglob("*.*") if "ctap kaldi" in p.read_text(encoding="utf-8")]
    assert len(scripts) >= 13
    for script in scripts:
        assert f"ctap kaldi {script.stem} " in script.read_text(encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            kaldi(script.stem, "--help")
        assert ended.value.code == 0
    done = call(tmp_path / "bin", "utt2spk_to_spk2utt.pl", stdin="a-0 a\nb-0 b\na-1 a\n")
    assert done.returncode == 0 and done.stdout == "a a-0 a-1\nb b-0\n"


@pytest.mark.parametrize(
    "words",
    [["validate_data_dir"], ["subset_data_dir", "--first", "x"], ["subset_data_dir", "x", "y"], ["split_data", "x"],
     ["combine_data", "x"], ["validate_data_dir", "--bogus", "x"], ["perturb_data_dir_speed", "0.9", "x"]],
)  # fmt: skip
def test_a_fault_of_usage_is_status_1(words: list[str]) -> None:
    try:
        assert kaldi(*words) == 1
    except SystemExit as ended:
        assert ended.code == 1


def test_validate(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kaldi("validate_data_dir", "--no-feats", data) == 0
    assert kaldi("validate_data_dir", data) == 1
    assert "feats.scp:1: the file is missing (if that is meant, say --no-feats)" in capsys.readouterr().err
    (data / "text").unlink()
    assert kaldi("validate_data_dir", "--no-feats", data) == 1
    assert kaldi("validate_data_dir", "--no-feats", "--no-text", data) == 0


def test_validate_wants_utterances_sorted_by_speaker_unless_told_not_to(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owners = {utt: {"a": "z"}.get(spk, spk) for utt, spk in UTTS.items()}
    given = read_datadir(data)
    write_datadir(DataDir(given.wavs, {**given.utts, "utt2spk": owners}), data)
    assert kaldi("validate_data_dir", "--no-feats", data) == 1
    assert "a-3 of z stands before b-0 of b" in capsys.readouterr().err
    assert kaldi("validate_data_dir", "--no-feats", "--no-spk-sort", data) == 0
    assert main(["data", "validate", str(data), "--nj", "1"]) == 0, "for us it is a warning"


def test_validate_refuses_what_kaldi_refuses_though_we_can_work_with_it(data: Path) -> None:
    (data / "text").write_bytes((data / "text").read_bytes().replace(b"\n", b"\r\n"))
    assert kaldi("validate_data_dir", "--no-feats", data) == 1
    assert main(["data", "validate", str(data), "--nj", "1"]) == 0


def test_fix_drops_and_keeps_a_backup(data: Path) -> None:
    (data.parent / "b-1.wav").write_bytes(b"")
    before = (data / "wav.scp").read_bytes()
    assert kaldi("fix_data_dir", data) == 0
    assert "b-1" not in utts(data) and len(utts(data)) == 11
    assert (data / ".backup" / "wav.scp").read_bytes() == before


@pytest.mark.parametrize(
    "words,expected",
    [
        (["--first", "FROM", 2, "TO"], ["a-0", "a-1"]),
        (["--last", "FROM", 2, "TO"], ["c-2", "c-3"]),
        (["--per-spk", "FROM", 1, "TO"], ["a-0", "b-0", "c-0"]),
        (["--shortest", "FROM", 3, "TO"], ["a-0", "b-0", "c-0"]),
        (["FROM", 3, "TO"], ["b-1", "c-0", "c-3"]),
        (["--utt-list", "LIST", "FROM", "TO"], ["b-2"]),
        (["--spk-list", "SPEAKERS", "FROM", "TO"], ["c-0", "c-1", "c-2", "c-3"]),
    ],
)
def test_subset_takes_kaldis_arguments(data: Path, words: list, expected: list[str]) -> None:
    (data.parent / "list").write_text("b-2 and more\n")
    (data.parent / "speakers").write_text("c\n")
    places = {"FROM": data, "TO": data.parent / "part", "LIST": data.parent / "list", "SPEAKERS": data.parent / "speakers"}
    assert kaldi("subset_data_dir", *(places.get(word, word) for word in words)) == 0
    assert utts(data.parent / "part") == expected


def test_subset_by_speakers_takes_whole_ones_and_refuses_too_many(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kaldi("subset_data_dir", "--speakers", data, 5, data.parent / "part") == 0
    assert len(utts(data.parent / "part")) == 8
    assert kaldi("subset_data_dir", "--first", data, 13, data.parent / "more") == 1
    assert "only 12 utterances" in capsys.readouterr().err and not (data.parent / "more").exists()


def test_copy_combine_and_split(data: Path) -> None:
    there = data.parent
    options = ["--utt-prefix", "x-", "--spk-prefix", "x-", "--validate-opts", "--non-print"]
    assert kaldi("copy_data_dir", *options, data, there / "copied") == 0
    assert kaldi("combine_data", there / "joined", data, there / "copied") == 0
    assert len(utts(there / "joined")) == 24 and read_datadir(there / "joined").speakers[-1] == "x-c"
    assert kaldi("split_data", data, 3) == 0
    assert [utts(data / "split3" / str(k))[0] for k in (1, 2, 3)] == ["a-0", "b-0", "c-0"]
    assert kaldi("split_data", data, 4) == 1, "there are three speakers"
    assert kaldi("split_data", "--per-utt", data, 4) == 0
    assert utts(data / "split4utt" / "2") == ["a-3", "b-0", "b-1"]


def test_filters_of_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_text("b x\n")
    (tmp_path / "table").write_text("a 1\nb ü\nc b\n")
    assert kaldi("filter_scp", tmp_path / "list", tmp_path / "table") == 0
    assert kaldi("filter_scp", "--exclude", tmp_path / "list", tmp_path / "table") == 0
    assert kaldi("filter_scp", "-f", 2, tmp_path / "list", tmp_path / "table") == 0
    assert capsys.readouterr().out == "b ü\n" + "a 1\nc b\n" + "c b\n"
    assert kaldi("filter_scp", "-f", 3, tmp_path / "list", tmp_path / "table") == 1
    assert "without column 3" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"s u-1 u-2\n")))
    assert kaldi("spk2utt_to_utt2spk") == 0
    assert capsys.readouterr().out == "u-1 s\nu-2 s\n"
    assert kaldi("split_scp", tmp_path / "table", tmp_path / "1", tmp_path / "2") == 0
    assert (tmp_path / "1").read_text() + (tmp_path / "2").read_text() == "a 1\nb ü\nc b\n"
    assert (tmp_path / "1").read_text() == "a 1\nb ü\n", "the first file gets the line that is over"
    for part in range(2):
        assert kaldi("split_scp", "-j", 2, part, tmp_path / "table") == 0
    assert capsys.readouterr().out == "a 1\nb ü\nc b\n"
    assert kaldi("split_scp", "-j", 2, 1, tmp_path / "table", tmp_path / "3") == 0
    assert (tmp_path / "3").read_text() == (tmp_path / "2").read_text()
    assert kaldi("split_scp", "-j", 4, 1, tmp_path / "table") == 1 and kaldi("split_scp", "-j", 2, 2, tmp_path / "table") == 1


def test_combining_says_what_it_leaves_out(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = DataDir({"z-0": str(tmp_path / "a-0.wav")}, {"utt2spk": {"z-0": "z"}})
    write_datadir(other, tmp_path / "other")
    assert kaldi("combine_data", tmp_path / "joined", data, tmp_path / "other") == 0
    assert "not all of them have it: text" in capsys.readouterr().err
    assert not (tmp_path / "joined" / "text").exists()


@pytest.mark.parametrize(
    "words",
    [["utt2spk_to_spk2utt"], ["filter_scp"], ["subset_data_dir", "--utt-list"], ["validate_data_dir"], ["get_utt2dur"]],
)
def test_what_is_not_there_is_named(data: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    more = [data, data.parent / "part"] if "--utt-list" in words else []
    assert kaldi(*words, data.parent / "absent", *more) == 1
    assert "absent" in capsys.readouterr().err


def test_durations(data: Path) -> None:
    assert kaldi("get_utt2dur", data) == 0
    assert (data / "utt2dur").read_text().startswith("a-0 0.5000\na-1 0.5500\n")


KALDI = Path(os.environ.get("KALDI_ROOT", "/nowhere")) / "egs" / "wsj" / "s5"


@pytest.mark.skipif(not (KALDI / "utils").exists(), reason="Kaldi is not at hand: KALDI_ROOT names no checkout of it")
def test_kaldis_own_scripts_take_what_we_write(data: Path) -> None:
    perturb_set(data, data.parent / "sp", ["0.9", "1.0"])
    for folder in (data, data.parent / "sp"):
        command = ["utils/validate_data_dir.sh", "--no-feats", str(folder)]
        done = subprocess.run(command, cwd=KALDI, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Successfully validated" in done.stdout, done.stdout + done.stderr


def test_speakers_are_dealt_out_by_their_size(tmp_path: Path) -> None:
    """One speaker with 9 utterances, three with one: two parts of speakers are 9 and 3, not 10 and 2."""
    owner = {f"a-{i}": "a" for i in range(9)} | {f"{spk}-0": spk for spk in "bcd"}
    write_datadir(DataDir(dict.fromkeys(owner, "/x.wav"), {"utt2spk": owner}), tmp_path / "d")
    assert kaldi("split_data", tmp_path / "d", 2) == 0
    assert read_datadir(tmp_path / "d/split2/1").speakers == ["a"] and read_datadir(tmp_path / "d/split2/2").speakers == list(
        "bcd"
    )
    outs = [tmp_path / "1", tmp_path / "2"]
    assert kaldi("split_scp", f"--utt2spk={tmp_path}/d/utt2spk", tmp_path / "d/wav.scp", *outs) == 0
    assert len(outs[0].read_text().splitlines()) == 9


@pytest.mark.parametrize("sizes,parts", [([3, 1, 4, 1, 5, 9, 2, 6], 3), ([1] * 7, 7), ([100, 1, 1, 1], 4), ([2, 2], 1)])
def test_dealing_leaves_no_part_empty_and_keeps_the_order(sizes: list[int], parts: int) -> None:
    shares = deal_groups(sizes, parts)
    assert [group for share in shares for group in share] == list(range(len(sizes))) and all(shares)
    assert [list(r) for r in deal_evenly(7, 3)] == [[0, 1, 2], [3, 4], [5, 6]]


def test_what_a_directory_of_that_name_held_before_does_not_stay(data: Path) -> None:
    other = data.parent / "other"
    write_datadir(read_datadir(data), other)
    (data / "text").unlink()
    for words in (["copy_data_dir", data, other], ["combine_data", other, data], ["subset_data_dir", "--first", data, 3, other]):
        (other / "text").write_text("x what it was\n")
        (other / "spk2gender").write_text("x f\n")
        assert kaldi(*words) == 0
        assert not (other / "text").exists() and not (other / "spk2gender").exists(), words
    before = (data / "wav.scp").read_bytes()
    assert kaldi("copy_data_dir", "--utt-prefix", "x-", data, data) == 1 and (data / "wav.scp").read_bytes() == before


def test_copies_keep_the_names_of_recordings_unless_told_otherwise(data: Path) -> None:
    there = read_datadir(data)
    spans = {utt: Segment(f"r{utt[0]}", 0.0, 0.5) for utt in there.utt_ids}
    cut = DataDir({f"r{spk}": str(data.parent / f"{spk}-0.wav") for spk in "abc"}, there.utts, segments=spans)
    write_datadir(cut, data)
    other = data.parent / "other"
    assert kaldi("copy_data_dir", "--utt-prefix", "x-", "--spk-prefix", "x-", data, other) == 0
    assert read_datadir(other).segments["x-a-0"].recording == "ra" and sorted(read_datadir(other).wavs) == ["ra", "rb", "rc"]
    assert kaldi("copy_data_dir", "--rename-recordings", "--utt-prefix", "x-", data, other) == 0
    assert read_datadir(other).segments["x-a-0"].recording == "x-ra"


def test_options_of_kaldi_are_taken(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--nj", 2, "--cmd", "run.pl --mem 2G", "--frame-shift", 0.01, "--read-entire-file", "true"]
    assert kaldi("get_utt2dur", *options, "--permit-no-utterances", "false", data) == 0
    (data / "utt2dur").write_text((data / "utt2dur").read_text().replace("0.5000", "0.1234"))
    assert kaldi("get_utt2dur", data) == 0 and "has every utterance already" in capsys.readouterr().out
    assert "0.1234" in (data / "utt2dur").read_text(), "as in Kaldi, one that is whole is kept"
    words = ["--always-include-prefix", "true", "--include-spk-prefix", "false", "--tool", "soxr", "--nj", 1]
    assert kaldi("perturb_data_dir_speed_3way", *words, data, data.parent / "sp") == 0
    made = read_datadir(data.parent / "sp")
    assert {utt.split("-")[0] for utt in made.utt_ids} == {"sp0.9", "sp1.0", "sp1.1"} and len(made.utt_ids) == 36
    assert made.utts["utt2uniq"]["sp1.0-a-0"] == made.utts["utt2uniq"]["sp0.9-a-0"] == "a-0"
    (data.parent / "sp" / "feats.scp").write_text("x")
    assert kaldi("perturb_data_dir_speed_3way", data, data.parent / "sp") == 1


def test_a_directory_of_features_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "wav.scp").rename(data / "feats.scp")
    assert kaldi("validate_data_dir", "--no-wav", data) == 0
    assert kaldi("validate_data_dir", data) == 1 and "wav.scp:1: the file is missing" in capsys.readouterr().err


def test_tables_with_empty_lines_are_refused_with_their_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t").write_text("a 1\n\nb 2\n \n")
    for words in (["filter_scp", tmp_path / "t", tmp_path / "t"], ["utt2spk_to_spk2utt", tmp_path / "t"]):
        assert kaldi(*words) == 1
        found = capsys.readouterr()
        assert "t:2: the line is empty" in found.err and "t:4: the line is empty" in found.err and not found.out
    (tmp_path / "s").write_text("a\nb u\nc\n")
    assert kaldi("spk2utt_to_utt2spk", tmp_path / "s") == 1 and "s:3: 'c'" in capsys.readouterr().err


def test_messages_name_commands_that_can_be_typed_anywhere(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "spk2utt").unlink()
    (data / "text").write_text("a-0 x\n")
    assert kaldi("validate_data_dir", "--no-feats", data) == 1
    found = capsys.readouterr().err
    assert f"ctap kaldi utt2spk_to_spk2utt {data}/utt2spk > {data}/spk2utt" in found
    assert f"ctap kaldi fix_data_dir {data} repairs and drops" in found and "utils/" not in found


@pytest.mark.parametrize(
    "name,line,expected",
    [
        ("utt2dur", "a-0 0", "one number of seconds above 0"), ("utt2dur", "a-0 1 2", "one number of seconds above 0"),
        ("utt2num_frames", "a-0 1.5", "a whole number of frames above 0"), ("reco2dur", "a-0 x", "one number of seconds above 0"),
        ("reco2file_and_channel", "a-0 f C", "a channel, A or B"), ("utt2warp", "a-0 2", "between 0.5 and 1.5"),
        ("wav.scp", "a-0 ~/a.wav", "a path without `~`"), ("spk2gender", "a male", "m or f"), ("spk2warp", "a 0.5", "between"),
    ],
)  # fmt: skip
def test_values_that_kaldi_refuses_are_named(data: Path, name: str, line: str, expected: str, capsys) -> None:
    good = {"utt2dur": "0.5", "utt2num_frames": "50", "reco2dur": "0.5", "reco2file_and_channel": "f A", "utt2warp": "1.0"}
    by = "spk2utt" if name.startswith("spk") else "utt2spk"
    ids = [row.split()[0] for row in (data / by).read_text().splitlines()]
    usual = good.get(name, "f" if name == "spk2gender" else "1.0" if name == "spk2warp" else "/x.wav")
    (data / name).write_text("".join(f"{key} {usual}\n" for key in ids))
    assert kaldi("validate_data_dir", "--no-feats", "--quick", data) == 0
    (data / name).write_text(line + "\n" + "".join(f"{key} {usual}\n" for key in ids[1:]))
    capsys.readouterr()
    assert kaldi("validate_data_dir", "--no-feats", "--quick", data) == 1
    found = capsys.readouterr().err
    assert f"{data}/{name}:1: {line.split()[0]}: found" in found and expected in found
