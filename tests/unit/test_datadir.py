"""Data directories: reading, writing, cutting, joining; and the names that Kaldi's users know."""

from pathlib import Path

import pytest

from ctaplib.corpus.datadir import (
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
    assert [d.speakers for d in split(whole, 2, by_speaker=True)] == [["a"], ["b"]]


def test_combine_refuses_clashes() -> None:
    other = small()
    changed = DataDir(other.wavs, {**other.utts, "text": dict.fromkeys(other.utts["text"], "else")})
    with pytest.raises(DataError, match=r"(?s)6 clashes.*--utt-prefix.*text: a-0 occurs twice.*in clean and in other"):
        combine([small(), changed], ["clean", "other"])


def test_combine_makes_segments_where_only_some_have_them() -> None:
    cut = DataDir({"rec": "/r"}, {"utt2spk": {"r-1": "r"}}, segments={"r-1": Segment("rec", 1.0, 2.0)})
    whole = DataDir({"w-1": "/w"}, {"utt2spk": {"w-1": "w"}, "utt2dur": {"w-1": "3.5"}})
    assert combine([cut, whole]).segments == {"r-1": Segment("rec", 1.0, 2.0), "w-1": Segment("w-1", 0.0, 3.5)}
    with pytest.raises(DataError, match="get_utt2dur"):
        combine([cut, DataDir({"w-1": "/w"}, {"utt2spk": {"w-1": "w"}})], ["cut", "whole"])


def test_times_of_segments_are_not_rounded(tmp_path: Path) -> None:
    data = DataDir({"r": "/r"}, {"utt2spk": {"r-1": "r"}}, segments={"r-1": Segment("r", 12345.6789, 1e-5 + 20000)})
    write_datadir(data, tmp_path)
    assert read_datadir(tmp_path).segments == data.segments
    assert (tmp_path / "segments").read_text() == "r-1 r 12345.6789 20000.00001\n"


def test_writing_removes_segments_that_an_earlier_directory_left(tmp_path: Path) -> None:
    write_datadir(DataDir({"r": "/r"}, {"utt2spk": {"r-1": "r"}}, segments={"r-1": Segment("r", 0.0, 1.0)}), tmp_path)
    write_datadir(small(), tmp_path)
    assert read_datadir(tmp_path) == small()


def test_tables_of_kaldi_are_carried_along(tmp_path: Path) -> None:
    utts, spks = ("utt2spk", "utt2uniq", "feats.scp", "utt2num_frames"), ("spk2gender", "cmvn.scp")
    data = DataDir(
        {"a-1": "/a", "b-1": "/b"}, {name: {"a-1": "a", "b-1": "b"} for name in utts},
        {name: {"a": "m", "b": "f"} for name in spks}, recs={"reco2dur": {"a-1": "1.5", "b-1": "2.5"}},
    )  # fmt: skip
    write_datadir(data, tmp_path)
    assert read_datadir(tmp_path) == data
    part = subset(data, ["b-1"])
    assert dict(part.recs["reco2dur"]) == {"b-1": "2.5"} and dict(part.spks["cmvn.scp"]) == {"b": "f"}
    assert dict(copy(part, utt_prefix="x-", utt_suffix="-y").recs["reco2dur"]) == {"x-b-1-y": "2.5"}


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
