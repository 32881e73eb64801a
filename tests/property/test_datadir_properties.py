"""Properties of data directories, token lists, audio and text, over generated inputs."""

import tempfile
import unicodedata
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctaplib.audio.files import inspect, read_audio, write_audio
from ctaplib.corpus.datadir import (
    DataDir,
    Segment,
    c_sorted,
    combine,
    combine_folders,
    copy,
    read_datadir,
    split,
    subset,
    write_datadir,
)
from ctaplib.corpus.table_checks import KALDI_SYMBOLS
from ctaplib.corpus.validate import fix_datadir, validate_datadir
from ctaplib.normalize.english_numerals import spell_number
from ctaplib.normalize.normalizer import normalize_english
from ctaplib.phones import fold
from ctaplib.text.tokens import make_phone_list, read_token_list, write_token_list

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P", "S")), min_size=1, max_size=8)
words = words.filter(lambda word: not KALDI_SYMBOLS.search(word))  # Kaldi keeps such symbols for itself
names = st.text(st.characters(min_codepoint=46, max_codepoint=0x4FF, categories=("L", "Nd")), min_size=1, max_size=8)
names = names.map(lambda name: unicodedata.normalize("NFKC", name)).filter(lambda name: name.isalnum())
ids = st.from_regex(r"[A-Za-z0-9_.-]{1,10}", fullmatch=True)

UTT_VALUES = {
    "utt2lang": ["en", "zh"], "text.norm": ["a b", "c"], "utt2dur": ["1.5", "0.25"], "utt2num_frames": ["9"], "utt2uniq": ["u"],
    "utt2num_samples": ["16000"], "utt2warp": ["0.9"], "feats.scp": ["f.ark:9"], "vad.scp": ["v.ark:1"], "utt2sid": ["1", "2"],
    "utt2category": ["1ch_8k"], "utt2lid": ["3"],
}  # fmt: skip
SPK_VALUES = {"spk2gender": ["m", "f"], "spk2warp": ["1.1"], "cmvn.scp": ["c.ark:5", "c.ark:7"]}
REC_VALUES = {"reco2dur": "7.5", "reco2file_and_channel": "f A"}


@st.composite
def datadirs(draw: st.DrawFn, prefix: str = "") -> DataDir:
    """Utterances that begin with their speaker and `-`; with segments or without; with tables of any names."""
    speakers = draw(st.lists(names.map(lambda name: prefix + name), min_size=1, max_size=4, unique=True))
    owned = draw(st.lists(st.tuples(st.sampled_from(speakers), names), min_size=1, max_size=12, unique=True))
    owner = {f"{spk}-{name}": spk for spk, name in owned}
    utts = {"utt2spk": owner, "text": {utt: " ".join(draw(st.lists(words, min_size=1, max_size=5))) for utt in owner}}
    for name in draw(st.sets(st.sampled_from(sorted(UTT_VALUES)))):
        utts[name] = {utt: draw(st.sampled_from(UTT_VALUES[name])) for utt in owner}
    spks = {
        name: {spk: draw(st.sampled_from(SPK_VALUES[name])) for spk in set(owner.values())}
        for name in draw(st.sets(st.sampled_from(sorted(SPK_VALUES))))
    }
    segments = None
    recordings = dict.fromkeys(owner)
    if draw(st.booleans()):
        times = st.tuples(st.floats(0, 1e5, allow_subnormal=False), st.floats(1e-3, 1e3))
        segments = {
            utt: Segment(f"{spk}-r", start, start + length) for utt, spk in owner.items() for start, length in [draw(times)]
        }
        recordings = dict.fromkeys(segment.recording for segment in segments.values())
    commands = st.sampled_from(["/audio/{}.wav", "/au dio/{} é.flac", "sox -t wav '/audio/{}.wav' -t wav - |"])
    wavs = {name: draw(commands).format(number) for number, name in enumerate(recordings)}
    recs = {name: dict.fromkeys(recordings, REC_VALUES[name]) for name in draw(st.sets(st.sampled_from(sorted(REC_VALUES))))}
    ctms = {"phones.ctm": {utt: [f"{utt} 1 0.0000 0.1000 a"] for utt in owner}} if draw(st.booleans()) else {}
    return DataDir(wavs, utts, spks, ctms, segments, recs)


@given(datadirs())
@settings(max_examples=60, deadline=None)
def test_write_then_read_is_the_same_and_has_no_faults(data: DataDir) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_datadir(data, folder)
        assert read_datadir(folder) == data
        assert validate_datadir(folder, audio=False).faults == []


@given(datadirs(), st.integers(1, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_parts_of_a_split_combine_to_the_whole(data: DataDir, parts: int, by_speaker: bool) -> None:
    pieces = split(data, parts, by_speaker=by_speaker)
    assert [utt for piece in pieces for utt in piece.utt_ids] == data.utt_ids
    assert all(piece.utt_ids for piece in pieces)
    sizes = [len(piece.utt_ids) for piece in pieces]
    if not by_speaker:
        assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1, "the first ones get what is over"
    if by_speaker:
        assert sum(len(piece.speakers) for piece in pieces) == len(data.speakers)
    assert combine(pieces) == data


@given(datadirs(), datadirs(prefix="x"))
@settings(max_examples=60, deadline=None)
def test_two_directories_under_different_prefixes_combine_and_come_apart_again(one: DataDir, other: DataDir) -> None:
    assume((one.segments is None) == (other.segments is None))
    parts = [copy(one, utt_prefix="a-", spk_prefix="a-"), copy(other, utt_prefix="b-", spk_prefix="b-")]
    joined = combine(parts)
    assert joined.utt_ids == parts[0].utt_ids + parts[1].utt_ids
    for part in parts:
        again = subset(joined, part.utt_ids)
        assert again.wavs == part.wavs and again.segments == part.segments
        for kind in ("utts", "spks", "recs", "ctms"):
            tables, own = getattr(again, kind), getattr(part, kind)
            shared = set.intersection(*(set(getattr(each, kind)) for each in parts))
            made = {"utt2uniq"} if kind == "utts" and any("utt2uniq" in each.utts for each in parts) else set()
            assert tables.keys() == shared | made, "what both have is kept, and no more"
            assert all(tables[name] == own[name] for name in shared)


@given(datadirs(), st.integers(1, 4), st.booleans())
@settings(max_examples=30, deadline=None)
def test_folders_of_a_split_combine_to_the_folder(data: DataDir, parts: int, by_speaker: bool) -> None:
    """Through files: every table of the whole stands again in the joined folder, and nothing of what was there before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_datadir(data, folder / "whole")
        pieces = split(read_datadir(folder / "whole"), parts, by_speaker=by_speaker)
        for number, piece in enumerate(pieces):
            write_datadir(piece, folder / str(number))
        write_datadir(copy(data, utt_prefix="old-"), folder / "joined")
        (folder / "joined" / "utt2lid").write_text("old 1\n")
        joined, lost = combine_folders([folder / str(number) for number in range(len(pieces))], folder / "joined")
        assert joined == data and lost == []
        assert {p.name: p.read_bytes() for p in (folder / "joined").iterdir()} == {
            p.name: p.read_bytes() for p in (folder / "whole").iterdir()
        }


@given(datadirs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_others_write_is_read_alike(data: DataDir, chance: Random) -> None:
    """Tabs or several spaces after the id, spaces at the end of a line, a last line without end: as ESPnet and others have it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_datadir(data, folder)
        for path in folder.iterdir():
            if path.suffix == ".ctm":
                continue
            rows = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
            lines = [key + chance.choice([" ", "\t", "  "]) + value + chance.choice(["", " "]) for key, value in rows]
            path.write_text("\n".join(lines) + chance.choice(["", "\n"]), encoding="utf-8")
        assert read_datadir(folder) == data
        assert [fault for fault in validate_datadir(folder, audio=False).faults if fault.fatal] == []


@given(datadirs(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_subset_holds_just_its_utterances(data: DataDir, drawn: st.DataObject) -> None:
    chosen = drawn.draw(st.lists(st.sampled_from(data.utt_ids), unique=True, min_size=1))
    part = subset(data, chosen)
    assert part.utt_ids == c_sorted(chosen) and set(part.utts["text"]) == set(chosen)
    assert subset(part, chosen) == part
    assert all(set(table) == set(chosen) for table in (*part.utts.values(), *part.ctms.values()))
    assert all(set(table) == set(part.speakers) for table in part.spks.values())
    assert all(set(table) == set(part.wavs) for table in part.recs.values())
    with tempfile.TemporaryDirectory() as folder:
        write_datadir(part, folder)
        assert validate_datadir(folder, audio=False).faults == [] and read_datadir(folder) == part


@given(datadirs(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_repair_of_shuffled_lines_with_foreign_ends_and_a_mark_gives_the_directory_back(data: DataDir, rng: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_datadir(data, folder)
        for path in Path(folder).iterdir():
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            rng.shuffle(lines)
            path.write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
        fix_datadir(folder, validate_datadir(folder, audio=False))
        assert read_datadir(folder) == data and validate_datadir(folder, audio=False).faults == []


@given(datadirs())
@settings(max_examples=60, deadline=None)
def test_what_is_written_keeps_the_rules_of_kaldis_own_check(data: DataDir) -> None:
    """The rules of Kaldi's validate_data_dir.sh and of https://kaldi-asr.org/doc/data_prep.html, written anew."""
    with tempfile.TemporaryDirectory() as folder:
        write_datadir(data, folder)
        tables = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    keys = {}
    for name, content in tables.items():
        assert content and content.endswith(b"\n") and b"\r" not in content
        keys[name] = [line.split(b" ")[0] for line in content.splitlines()]
        assert keys[name] == sorted(set(keys[name])), "sorted bytewise, each id once"
    owners = [tuple(line.split(b" ")) for line in tables["utt2spk"].splitlines()]
    assert owners == sorted(owners, key=lambda pair: (pair[1], pair[0])), "sorted by speaker as well"
    turned = [(utt, spk) for spk, *own in map(bytes.split, tables["spk2utt"].splitlines()) for utt in own]
    assert turned == owners, "spk2utt read in order gives utt2spk"
    for name in keys.keys() & {"text", "segments", "utt2lang"}:
        assert keys[name] == keys["utt2spk"]
    assert keys.get("spk2gender", keys["spk2utt"]) == keys["spk2utt"]
    recordings = keys["utt2spk"]
    if "segments" in tables:
        rows = [line.split() for line in tables["segments"].splitlines()]
        assert all(len(row) == 4 and float(row[3]) > float(row[2]) >= 0 for row in rows)
        recordings = sorted({row[1] for row in rows})
    assert keys["wav.scp"] == recordings


@given(st.lists(st.lists(ids.filter(lambda t: t != "sil"), max_size=8), max_size=8))
@settings(max_examples=60, deadline=None)
def test_token_lists_keep_every_phone(sequences: list[list[str]]) -> None:
    tokens = make_phone_list(sequences)
    assert set(tokens.phones) == {phone for sequence in sequences for phone in sequence}
    for sequence in sequences:
        assert [tokens.tokens[i] for i in tokens.ids(sequence)] == sequence
    with tempfile.TemporaryDirectory() as folder:
        write_token_list(tokens, Path(folder) / "tokens.txt")
        assert read_token_list(Path(folder) / "tokens.txt") == tokens


@given(st.lists(st.integers(-32767, 32767), min_size=1, max_size=400), st.sampled_from([8000, 16000, 22050, 24000]))
@settings(max_examples=60, deadline=None)
def test_16_bit_samples_survive_a_file(values: list[int], rate_hz: int) -> None:
    samples = np.array(values, np.int16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        write_audio(path, samples, rate_hz)
        found, rate = read_audio(path)
        assert rate == rate_hz and inspect(path).duration_s == len(values) / rate_hz
        np.testing.assert_array_equal(np.rint(found * 32768).astype(np.int16), samples)


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_numbers_are_letters_only_and_normalising_keeps_them(number: int) -> None:
    said = spell_number(number)
    assert normalize_english(said) == said


@given(st.text(st.sampled_from("abcABC 0123456789,.;!?$%&-'"), min_size=1, max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    if any(c.isalnum() for c in text):
        once = normalize_english(text)
        assert normalize_english(once) == once and not any(c.isdigit() for c in once)


@given(ids)
def test_folding_twice_changes_nothing(phone: str) -> None:
    assert fold(fold(phone)) == fold(phone) or phone.startswith(("_", "'")) or "_" in phone
