"""Text normalisation: from written text to spoken words.

Numbers become words, punctuation is dropped, letters take one case. A symbol without a rule is an error, it is not dropped.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from ctaplib.errors import DataError
from ctaplib.normalize import english_rules, mandarin_rules
from ctaplib.normalize.rules import apply

_WORDS, _ENGLISH = english_rules.WORDS, english_rules.RULES
_APOSTROPHES, _LETTERS = str.maketrans(_WORDS["apostrophe"]), str.maketrans(_WORDS["letter"])
_PAUSES = re.compile(r"[,.;:!?，。；：！？…—\n]+")
_MARKS = set("/*_|~^#\\@")
"""Marks without a spoken form outside of rules; Unicode counts some of them as punctuation."""
_RAISED = re.compile(r"(?<=[\w)])([⁺⁻]?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_GREEK = re.compile(r"(?<![α-ωΑ-Ω])(?:[α-λν-ωΑ-Ω]|μ(?![A-Za-z]))(?![α-ωΑ-Ω])")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NEEDED: dict[str, Callable[[str], object]] = {
    "quantities": re.compile(r"[\d^=]|\b[NSEW]\b").search,
    "numbers": re.compile(r"[\d#*_/\\~]").search,
    # a text all in capitals says nothing about initialisms
    "capitals": lambda text: any(map(str.islower, text)) or len(_WORD.findall(text)) == 1,
}
"""Whether a text needs a set of rules; other texts skip it, to save time or because they would be misread."""
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")


class UnknownTextError(DataError):
    """A text with symbols or words that cannot be read.

    Args:
        unknown: The symbols or words, each time that they occur.
    """

    def __init__(self, found: str, *, unknown: tuple[str, ...], expected: str = "", fix: str = "") -> None:
        self.unknown = unknown
        super().__init__(found, expected=expected, fix=fix)


@lru_cache(1 << 16)
def normalize_english(text: str) -> str:
    """Return the spoken form of English text: lower-case words with apostrophes, single spaces.

    Raises:
        DataError: there are symbols without a rule, or no word is left.
    """
    text = _RAISED.sub(_power, _VULGAR.sub(" ", text.translate(_APOSTROPHES)))
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    greek = _WORDS["greek"]
    text = _GREEK.sub(lambda match: f" {greek[match[0].lower().replace('ς', 'σ')]} ", text)
    text = text.replace("\u2044", "/").replace("–", "-").replace("−", "-").replace("‑", "-").replace("‐", "-")
    for name, rules in _ENGLISH.items():
        if name not in _NEEDED or _NEEDED[name](text):
            text = apply(rules, text)
    signs, silent = _WORDS["sign"], _WORDS["silent"]
    text = "".join(f" {signs[c]} " if c in signs else " " if c in silent else c for c in text.lower()).translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    odd = [c for c in plain if not (c.isascii() and (c.isalpha() or c in "' ")) and not c.isspace()]
    return _checked(" ".join(_unquoted(plain.split())), odd)


def _power(match: re.Match[str]) -> str:
    return f"^{'-' if match[1] == '⁻' else ''}{unicodedata.normalize('NFKC', match[2])}"


def _unquoted(words: list[str]) -> list[str]:
    """Remove single quotation marks but no apostrophes: `'hello'` is `hello`, `'tis` and `boys'` stay; `ok` becomes `okay`."""
    kept = []
    quoted = False
    for index, word in enumerate(words):
        if word.startswith("'") and word not in _WORDS["elision"]:
            word, quoted = word.lstrip("'"), True
        if (
            word.endswith("'")
            and word not in _WORDS["elision"]
            and ((quoted and not _closed_later(words[index + 1 :])) or not word.rstrip("'").endswith(("s", "in")))
        ):
            word, quoted = word.rstrip("'"), False
        elif word.endswith("''"):
            word = word.rstrip("'") + "'"
        if word.strip("'"):
            kept.append(_WORDS["whole_word"].get(word, word))
    return kept


def _closed_later(words: list[str]) -> bool:
    """Return whether the next quotation mark closes; then a word before it ended with an apostrophe."""
    return next((word.endswith("'") for word in words if word[0] == "'" or word[-1] == "'"), False)


def normalizer(language: str) -> Callable[[str], str]:
    """Return the normalisation of a language, `en` or `zh`."""
    return normalize_mandarin if language == "zh" else normalize_english


def mandarin_clauses(text: str) -> list[str]:
    """Return the spoken form of Mandarin text, a string for each stretch between punctuation marks.

    Numbers become characters. Latin words stay, in lower case and between spaces; those in capitals are spelled (`c e o`).

    Raises:
        DataError: symbols that are neither characters, Latin letters nor punctuation, or nothing is left.
    """
    text = _RAISED.sub(_power, text.translate(_APOSTROPHES))
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    text = apply(mandarin_rules.RULES["rules"], text)
    odd = [c for c in text if c in _MARKS]
    clauses = [_spaced(part) for part in re.split(_PAUSES, text)]
    odd += [
        c for clause in clauses for c in clause if not (is_hanzi(c) or (c.isascii() and c.isalpha()) or c in " '" or c in _MARKS)
    ]
    _checked("".join(clauses), odd)
    return [clause for clause in clauses if clause]


def normalize_mandarin(text: str) -> str:
    """Return the spoken form of Mandarin text without punctuation; only Latin words have spaces around them.

    Raises:
        DataError: symbols that are neither characters, Latin letters nor punctuation, or nothing is left.
    """
    return _spaced(" ".join(mandarin_clauses(text)))


def is_hanzi(character: str) -> bool:
    """Return whether a character is Chinese."""
    return "\u3400" <= character <= "\u9fff" or character == "〇" or "\U00020000" <= character <= "\U000323af"


def _spaced(text: str) -> str:
    """Replace punctuation by spaces and keep the spaces around Latin words only."""
    text = " ".join("".join(c if not unicodedata.category(c).startswith("P") or c == "'" else " " for c in text).split())
    return re.sub(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])", "", text)


def _checked(text: str, odd: list[str]) -> str:
    if odd:
        raise UnknownTextError(
            f"unknown symbols {' '.join(sorted(set(odd)))}", unknown=tuple(odd),
            expected="text that can be read aloud", fix="write them as words",
        )  # fmt: skip
    if not text:
        raise DataError("empty text", expected="at least one word", fix="give its text, or drop the utterance")
    return text
