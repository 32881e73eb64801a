"""Data directories: reading, writing, cutting, joining; and the names that Kaldi's users know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctaplib.data.datadir import (
    DataDir,
    Segment,
    combine,
    copy,
    read_datadir,
    split,
    subset,
    subset_by_speakers,
    write_datadir,
)  # fmt: skip
from ctaplib.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


def small(prefix: str = "", speakers: str = "ab", each: int = 3) -> DataDir:
    owner = {f"{prefix}{spk}-{i}": prefix + spk for spk in speakers for i in range(each)}
    return DataDir(
        wavs={u: f"/audio/{u}.wav" for u in owner},
        utts={"utt2spk": owner, "text": {u: f"hello {u}" for u in owner}},
        spks={"spk2gender": dict.fromkeys(set(owner.values()), "f")},
        ctms={"phones.ctm": {u: [f"{u} 1 0.0000 0.1000 sil", f"{u} 1 0.1000 0.2000 a"] for u in owner}},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    data = small()
    write_datadir(data, tmp_path)
    assert read_datadir(tmp_path) == data
    assert (tmp_path / "spk2utt").read_text() == "a a-0 a-1 a-2\nb b-0 b-1 b-2\n"


def test_tables_are_in_c_order(tmp_path: Path) -> None:
    write_datadir(DataDir({"b": "1", "B": "2", "a-1": "3", "a1": "4"}, {}), tmp_path)
    assert [line.split()[0] for line in (tmp_path / "wav.scp").read_text().splitlines()] == ["B", "a-1", "a1", "b"]


def test_subset_keeps_what_belongs_to_the_utterances() -> None:
    part = subset(small(), ["b-1"])
    assert part.utt_ids == ["b-1"] and part.speakers == ["b"] and dict(part.spks["spk2gender"]) == {"b": "f"}
    assert list(part.wavs) == ["b-1"] and list(part.ctms["phones.ctm"]) == ["b-1"]


def test_subset_names_all_unknown_utterances() -> None:
    with pytest.raises(DataError, match=r"(?s)2 utterances.*x-1.*x-2"):
        subset(small(), ["x-2", "a-1", "x-1"])


def test_subset_by_speakers() -> None:
    assert subset_by_speakers(small(), ["a"]).utt_ids == ["a-0", "a-1", "a-2"]
    with pytest.raises(DataError, match="zz"):
        subset_by_speakers(small(), ["zz"])


def test_segments_keep_their_recordings(tmp_path: Path) -> None:
    data = DataDir(
        {"rec": "/r.wav", "other": "/o.wav"}, {"utt2spk": {"s-1": "s", "s-2": "s"}},
        segments={"s-1": Segment("rec", 0.0, 1.5), "s-2": Segment("other", 2.0, 3.25)},
    )  # fmt: skip
    write_datadir(data, tmp_path)
    assert read_datadir(tmp_path).segments == data.segments
    assert list(subset(data, ["s-1"]).wavs) == ["rec"]


def test_bad_segments_are_all_listed(tmp_path: Path) -> None:
    write_datadir(small(), tmp_path)
    (tmp_path / "segments").write_text("a-0 a-0 0\na-1 a-1 2.0 1.0\n")
    with pytest.raises(DataError, match=r"(?s)a-0: found.*a-1: the segment"):
        read_datadir(tmp_path)


def test_combine_of_parts_is_the_whole() -> None:
    whole = small()
    assert combine([subset_by_speakers(whole, ["b"]), subset_by_speakers(whole, ["a"])]).utts == whole.utts
    assert [d.utt_ids for d in split(whole, 2)] == [["a-0", "a-1", "a-2"], ["b-0", "b-1", "b-2"]]
    assert len(split(whole, 100)) == 6


def test_combine_refuses_clashes() -> None:
    other = small()
    with pytest.raises(DataError, match=r"text: a-0 occurs twice"):
        combine([small(), DataDir(other.wavs, {**other.utts, "text": dict.fromkeys(other.utts["text"], "else")})])


def test_combine_leaves_out_tables_that_not_all_have() -> None:
    joined = combine([small(), DataDir({"c-0": "/c"}, {"utt2spk": {"c-0": "c"}})])
    assert set(joined.utts) == {"utt2spk"} and joined.utt_ids[-1] == "c-0"


def test_copy_with_prefixes_renames_everywhere() -> None:
    out = copy(small(), utt_prefix="sp0.9-", spk_prefix="sp0.9-")
    assert out.utts["utt2spk"]["sp0.9-a-0"] == "sp0.9-a" and "sp0.9-a" in out.spks["spk2gender"]
    assert out.ctms["phones.ctm"]["sp0.9-a-0"][0].split()[0] == "sp0.9-a-0"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a directory"):
        read_datadir(tmp_path / "nowhere")


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """Call a script of utils/ with a `ctap` that is this checkout's."""
    folder = Path(str(words[1])).parent / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "ctap"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ctaplib.cli.main "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    script, *rest = map(str, words)
    return subprocess.run([ROOT / "utils" / script, *rest], env=env, capture_output=True, text=True, check=False)


def test_kaldi_names_work(tmp_path: Path) -> None:
    write_datadir(small(), tmp_path / "all")
    assert call("subset_data_dir.sh", tmp_path / "all", tmp_path / "part", "--per-spk", 1).returncode == 0
    assert read_datadir(tmp_path / "part").utt_ids == ["a-0", "b-0"]
    assert call("utt2spk_to_spk2utt.sh", tmp_path / "part" / "utt2spk").stdout == "a a-0\nb b-0\n"
    assert call("copy_data_dir.sh", tmp_path / "part", tmp_path / "copied", "--utt-prefix", "x-").returncode == 0
    assert read_datadir(tmp_path / "copied").utt_ids == ["x-a-0", "x-b-0"]
    assert call("combine_data.sh", tmp_path / "joined", tmp_path / "part", tmp_path / "copied").returncode == 0
    assert len(read_datadir(tmp_path / "joined").utt_ids) == 4
    bad = call("validate_data_dir.sh", tmp_path / "part")
    assert bad.returncode == 1 and "the file is missing" in bad.stderr and "--fix" in bad.stderr
