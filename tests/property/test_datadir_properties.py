"""Properties of data directories, token lists, audio and text, over generated inputs."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.data.audio import inspect, read_audio, write_audio
from ctaplib.data.datadir import DataDir, c_sorted, combine, read_datadir, split, subset, write_datadir
from ctaplib.data.normalize import normalize_english, spell_number
from ctaplib.data.phones import fold
from ctaplib.data.tokens import make_phone_list, read_token_list, write_token_list
from ctaplib.data.validate import validate_datadir

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P", "S")), min_size=1, max_size=8)
ids = st.from_regex(r"[A-Za-z0-9_.-]{1,10}", fullmatch=True)


@st.composite
def datadirs(draw: st.DrawFn) -> DataDir:
    utts = draw(st.lists(ids, min_size=1, max_size=12, unique=True))
    return DataDir(
        wavs={utt: f"/audio/{i}.wav" for i, utt in enumerate(utts)},
        utts={
            "utt2spk": {utt: draw(ids) for utt in utts},
            "text": {utt: " ".join(draw(st.lists(words, min_size=1, max_size=5))) for utt in utts},
        },
    )


@given(datadirs())
@settings(max_examples=60, deadline=None)
def test_write_then_read_is_the_same_and_has_no_faults(data: DataDir) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_datadir(data, folder)
        assert read_datadir(folder) == data
        assert validate_datadir(folder, audio=False).faults == []


@given(datadirs(), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_parts_of_a_split_combine_to_the_whole(data: DataDir, parts: int) -> None:
    pieces = split(data, parts)
    assert [utt for piece in pieces for utt in piece.utt_ids] == data.utt_ids
    assert all(piece.utt_ids for piece in pieces)
    assert combine(pieces) == data


@given(datadirs(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_subset_holds_just_its_utterances(data: DataDir, drawn: st.DataObject) -> None:
    chosen = drawn.draw(st.lists(st.sampled_from(data.utt_ids), unique=True, min_size=1))
    part = subset(data, chosen)
    assert part.utt_ids == c_sorted(chosen) and set(part.utts["text"]) == set(chosen)
    assert subset(part, chosen) == part


@given(st.lists(st.lists(ids.filter(lambda t: t != "sil"), max_size=8), max_size=8))
@settings(max_examples=60, deadline=None)
def test_token_lists_keep_every_phone(sequences: list[list[str]]) -> None:
    tokens = make_phone_list(sequences)
    assert set(tokens.phones) == {phone for sequence in sequences for phone in sequence}
    for sequence in sequences:
        assert tokens.names(tokens.ids(sequence)) == sequence
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
