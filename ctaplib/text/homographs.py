"""English words of one spelling and two pronunciations, decided by the words beside them.

g2p-en has a table of homographs and asks a tagger which one it is. `word_class` decides without the tagger where a neighbour
leaves no doubt; `homographs.tsv` has the words that g2p-en's table lacks or has the wrong way round (`read`).
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ctaplib.files import read_tsv
from ctaplib.normalize.tables import read_tables

_WORDS = read_tables(Path(__file__).with_name("word_classes.tsv"))
_START, _END = "^", "$"
"""Neighbours of the first and the last word in `homographs.tsv`."""


def word_class(words: Sequence[str], index: int) -> str:
    """Return whether a word is a verb (`V`) or a noun or adjective (`N`); "" where its neighbours leave it open.

    Args:
        words: Sentence in lower case.
        index: Place of the word.
    """
    before = words[index - 1] if index else ""
    second = words[index - 2] if index > 1 else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if before in {"to", "not"} and second in _WORDS["before_to"]:
        return ""
    if before in _WORDS["before_verb"] or second == "let":
        return "V"
    if before in _WORDS["before_noun"] or before.endswith("'s"):
        return "N"
    if before in {"and", "or"} and second and word_class(words, index - 2) == "V":
        return "V"
    if before in {"", "and"} and after in _WORDS["determiner"]:
        return "V"
    if before.endswith("s") and before not in _WORDS["no_plural"] and after in _WORDS["determiner"] | _WORDS["after_plural"]:
        return "V"
    return ""


@cache
def _rules() -> dict[str, list[dict[str, str]]]:
    """Read `homographs.tsv`: a word has the phones of its first row whose conditions all hold.

    Columns: `class` as of `word_class`; the word `before` and the word `after` (`^` and `$`: none), one of the three words
    before (`near`), words anywhere in the `sentence` (alternatives of a regular expression); empty conditions hold always.
    """
    rules: dict[str, list[dict[str, str]]] = {}
    for row in read_tsv(Path(__file__).with_suffix(".tsv")):
        rules.setdefault(row["word"], []).append(row)
    return rules


def pronounce(words: Sequence[str], index: int) -> list[str] | None:
    """Return the phones of a homograph; None where `homographs.tsv` does not have the word.

    Args:
        words: Sentence in lower case.
        index: Place of the word.
    """
    rows = _rules().get(words[index], ())
    return next((row["phones"].split() for row in rows if _holds(row, words, index)), None)


def _holds(row: dict[str, str], words: Sequence[str], index: int) -> bool:
    before = words[index - 1] if index else _START
    after = words[index + 1] if index + 1 < len(words) else _END
    return (
        (not row["class"] or word_class(words, index) == row["class"])
        and (not row["before"] or before in row["before"].split())
        and (not row["near"] or not set(words[max(0, index - 3) : index]).isdisjoint(row["near"].split()))
        and (not row["after"] or after in row["after"].split())
        and (not row["sentence"] or re.search(rf"\b({row['sentence']})\b", " ".join(words)) is not None)
    )
