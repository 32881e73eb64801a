"""Alignments: durations always sum, no phone vanishes at 10 ms, files give back what was written."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctaplib.corpus.alignment import (
    Interval,
    count_lost,
    frame_phones,
    lost_phones,
    read_ctm,
    read_textgrid,
    tile,
    to_durations,
    write_ctm,
    write_textgrid,
)
from ctaplib.errors import DataError


def build(lengths_ms: list[int]) -> list[Interval]:
    ends = np.cumsum([0, *lengths_ms]) / 1000
    return [Interval("sil" if i % 3 == 0 else f"p{i}", a, b) for i, (a, b) in enumerate(pairwise(ends))]


LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=30)


@given(LENGTHS, st.integers(-30, 30))
def test_durations_sum_and_no_phone_vanishes(lengths_ms: list[int], extra: int) -> None:
    alignment = build(lengths_ms)
    n_frames = max(1, sum(lengths_ms) // 10 + extra)
    phones, durations = to_durations(alignment, n_frames, 0.01)
    assert len(phones) == len(durations) == len(alignment)
    assert durations.sum() == n_frames and durations.min() >= (1 if n_frames >= len(alignment) else 0)


@given(st.lists(st.integers(2, 20), min_size=1, max_size=30))
def test_whole_frames_stay_as_they_are(frames: list[int]) -> None:
    alignment = build([10 * f for f in frames])
    np.testing.assert_array_equal(to_durations(alignment, sum(frames), 0.01)[1], frames)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30).filter(sum), st.integers(1, 5))
def test_the_owner_of_a_long_frame_fills_most_of_it(durations: list[int], factor: int) -> None:
    owners = np.repeat(np.arange(len(durations)), durations)
    got = frame_phones(np.array(durations), factor)
    assert len(got) == -(-sum(durations) // factor)
    for row, owner in enumerate(got):
        inside = list(owners[row * factor : (row + 1) * factor])
        best = max(inside.count(p) for p in inside)
        assert owner == next(p for p in inside if inside.count(p) == best)
    assert set(np.flatnonzero(~lost_phones(np.array(durations), factor))) == set(got)


def test_share_of_lost_phones_leaves_silence_out() -> None:
    alignment = [
        Interval("sil", 0, 0.04),
        Interval("a", 0.04, 0.07),
        Interval("b", 0.07, 0.08),
        Interval("sil", 0.08, 0.2),
    ]
    assert count_lost(alignment, 0.01, 4) == (1, 2)


@settings(max_examples=20)
@given(LENGTHS)
def test_ctm_round_trip(tmp_path_factory, lengths_ms: list[int]) -> None:
    path = tmp_path_factory.mktemp("ctm") / "phones.ctm"
    table = {"b": build(lengths_ms), "a": build(lengths_ms[::-1])}
    write_ctm(path, table)
    got = read_ctm(path)
    assert list(got) == ["a", "b"]
    for utt, alignment in table.items():
        assert [i.phone for i in got[utt]] == [i.phone for i in alignment]
        np.testing.assert_allclose([i[1:] for i in got[utt]], [i[1:] for i in alignment], atol=1e-9)


@settings(max_examples=20)
@given(LENGTHS)
def test_textgrid_round_trip(tmp_path_factory, lengths_ms: list[int]) -> None:
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    alignment = build(lengths_ms)
    write_textgrid(path, alignment)
    got = read_textgrid(path)
    assert [i.phone for i in got] == [i.phone for i in alignment]
    np.testing.assert_allclose([i[1:] for i in got], [i[1:] for i in alignment], atol=1e-9)


def test_gaps_become_silence_and_short_ones_join() -> None:
    got = tile([Interval("a", 0.1, 0.2), Interval("b", 0.203, 0.3), Interval("c", 0.4, 0.499)], 0.5)
    assert got == [
        Interval("sil", 0.0, 0.1),
        Interval("a", 0.1, 0.203),
        Interval("b", 0.203, 0.3),
        Interval("sil", 0.3, 0.4),
        Interval("c", 0.4, 0.5),
    ]


def test_faulty_lines_are_all_listed(tmp_path) -> None:
    path = tmp_path / "phones.ctm"
    path.write_text("u 1 0.0 0.1 a\nu 1 zero 0.1 b\nu 1 0.05 0.1 c\nu 1 0.1\n")
    with pytest.raises(DataError, match="has 3 faulty lines") as fault:
        read_ctm(path)
    assert "phones.ctm:2" in str(fault.value) and "phones.ctm:3: c at 0.05 s starts before" in str(fault.value)


def test_a_missing_tier_and_a_foreign_file_are_named(tmp_path) -> None:
    write_textgrid(tmp_path / "a.TextGrid", build([50, 50]))
    with pytest.raises(DataError, match="has no tier 'words'; expected one of phones"):
        read_textgrid(tmp_path / "a.TextGrid", tier="words")
    (tmp_path / "b.TextGrid").write_text("nothing")
    with pytest.raises(DataError, match=r"b\.TextGrid cannot be read as a TextGrid"):
        read_textgrid(tmp_path / "b.TextGrid")
