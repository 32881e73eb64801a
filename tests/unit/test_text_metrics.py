"""Error rates: hand-counted edits, folding of phones, words and characters; no torch."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctaplib.errors import DataError
from ctaplib.evaluate.text_metrics import characters_of, error_rate, fold_phones, words_of


def levenshtein(a, b):
    """The textbook recurrence, for comparison."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@pytest.mark.parametrize(
    ("phones", "folded"),
    [
        ("sil h @ l 'oU sil", ["h", "@", "l", "oU"]),
        ("HH AH0 L OW1 sp", ["HH", "AH", "L", "OW"]),
        ("n i3 h ao3", ["n", "i3", "h", "ao3"]),
        ("AY1_B T_E SIL", ["AY", "T"]),
        (",aI 'aI aI", ["aI", "aI", "aI"]),
        ("<blank> t t", ["t", "t"]),
        ("", []),
    ],
)
def test_phones_are_folded(phones, folded):
    assert fold_phones(phones) == folded


def test_per_by_hand():
    references = {"a": "'t e s t", "b": "s s sil"}
    hypotheses = {"a": "t e t", "b": "s x", "c": "not asked"}
    estimate = error_rate("per", references, hypotheses)
    assert estimate.value == pytest.approx(100 * (1 + 1) / (4 + 2))
    assert estimate.n == 2


def test_a_repeat_that_was_merged_is_an_error():
    assert error_rate("per", {"a": "s s"}, {"a": "s"}).value == 50.0


def test_an_empty_hypothesis_is_all_deleted_and_an_empty_reference_all_inserted():
    assert error_rate("per", {"a": "p a"}, {"a": ""}).value == 100.0
    assert error_rate("wer", {"a": "", "b": "one two"}, {"a": "x", "b": "one two"}).value == 50.0


def test_nothing_to_compare_is_a_reason():
    assert error_rate("per", {"a": "sil"}, {"a": "p"}) == "the 1 references hold nothing to compare"


def test_missing_hypotheses_are_all_named():
    with pytest.raises(DataError, match=r"(?s)2 of 3 utterances have no hypothesis.*b: no line.*c: no line"):
        error_rate("per", {"a": "p", "b": "p", "c": "p"}, {"a": "p"})


def test_words_and_characters():
    assert words_of("The cat's  hat, 'sat'; HERE.") == ["the", "cat's", "hat", "sat", "here"]
    assert error_rate("wer", {"a": "The cat sat."}, {"a": "the cat sat down"}).value == pytest.approx(100 / 3)
    assert characters_of("to be") == ["t", "o", "<space>", "b", "e"]
    assert error_rate("cer", {"a": "to be"}, {"a": "tobe"}).value == 20.0
    assert characters_of("你好 吗") == ["你", "好", "吗"]


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6)),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_edits_are_the_fewest(pairs):
    references, hypotheses = ({str(k): " ".join(pair[side]) for k, pair in enumerate(pairs)} for side in (0, 1))
    tokens = sum(len(a) for a, _ in pairs)
    rate = error_rate("wer", references, hypotheses)
    edits = sum(levenshtein(a, b) for a, b in pairs)
    assert rate.value == pytest.approx(100.0 * edits / tokens) if tokens else isinstance(rate, str)


def test_text_is_scored_without_torch():
    modules = "ctaplib.evaluate.text_metrics, ctaplib.evaluate.results, ctaplib.evaluate.score_asr"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
