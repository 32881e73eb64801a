"""Text normalisation: from written text to spoken words.

Numbers become words, punctuation is dropped, letters take one case. A symbol without a rule is an error, it is not dropped.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from ctaplib.errors import DataError
from ctaplib.normalize import english_net, mandarin_rules
from ctaplib.normalize.english_dates import DATES
from ctaplib.normalize.english_rules import CAPITALS, MARKS, NAMES, NUMBERS
from ctaplib.normalize.english_units import QUANTITIES
from ctaplib.normalize.english_words import APOSTROPHES, ELISIONS, GREEK, LETTERS, SIGNS, SILENT, WHOLE_WORDS
from ctaplib.normalize.rules import apply

_PAUSES = re.compile(r"[,.;:!?，。；：！？…—\n]+")
_MARKS = set("/*_|~^#\\@")
"""Marks without a spoken form outside of rules; Unicode counts some of them as punctuation."""
_RAISED = re.compile(r"(?<=[\w)])([⁺⁻]?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_GREEK = re.compile(r"(?<![α-ωΑ-Ω])(?:[α-λν-ωΑ-Ω]|μ(?![A-Za-z]))(?![α-ωΑ-Ω])")
_HAS_QUANTITY = re.compile(r"[\d^=]|\b[NSEW]\b")
_HAS_NUMBER = re.compile(r"[\d#*_/\\~]")
"""Texts that do not match are not changed by the rules of quantities and of numbers, which are skipped to save time."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")


class UnknownSymbolsError(DataError):
    """A text with symbols that have no rule.

    Args:
        symbols: The symbols, each time that they occur.
    """

    def __init__(self, found: str, *, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        super().__init__(found, expected="text that can be read aloud", fix="write them as words")


@lru_cache(1 << 16)
def normalize_english(text: str, where: str = "") -> str:
    """Return the spoken form of English text: lower-case words with apostrophes, single spaces.

    Args:
        text: Text as written.
        where: What it belongs to, for the message.

    Raises:
        DataError: there are symbols without a rule, or no word is left.
    """
    text = _RAISED.sub(_power, _VULGAR.sub(" ", text.translate(APOSTROPHES)))
    text = unicodedata.normalize("NFKC", text).translate(APOSTROPHES)
    text = _GREEK.sub(lambda match: f" {GREEK[match[0].lower().replace('ς', 'σ')]} ", text)
    text = text.replace("\u2044", "/").replace("–", "-").replace("−", "-").replace("‑", "-").replace("‐", "-")
    text = apply(DATES, apply(MARKS, apply(english_net.RULES, text)))
    text = apply(NAMES, apply(QUANTITIES, text) if _HAS_QUANTITY.search(text) else text)
    if any(c.islower() for c in text) or len(_WORD.findall(text)) == 1:  # text all in capitals says nothing about initialisms
        text = apply(CAPITALS, text)
    text = (apply(NUMBERS, text) if _HAS_NUMBER.search(text) else text).lower()
    text = "".join(f" {SIGNS[c]} " if c in SIGNS else " " if c in SILENT else c for c in text).translate(LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    odd = [c for c in plain if not (c.isascii() and (c.isalpha() or c in "' ")) and not c.isspace()]
    return _checked(" ".join(_unquoted(plain.split())), odd, where)


def _power(match: re.Match[str]) -> str:
    return f"^{'-' if match[1] == '⁻' else ''}{unicodedata.normalize('NFKC', match[2])}"


def _unquoted(words: list[str]) -> list[str]:
    """Remove single quotation marks but no apostrophes: `'hello'` is `hello`, `'tis` and `boys'` stay; `ok` becomes `okay`."""
    kept = []
    quoted = False
    for index, word in enumerate(words):
        if word.startswith("'") and word not in ELISIONS:
            word, quoted = word.lstrip("'"), True
        if (
            word.endswith("'")
            and word not in ELISIONS
            and ((quoted and not _closed_later(words[index + 1 :])) or not word.rstrip("'").endswith(("s", "in")))
        ):
            word, quoted = word.rstrip("'"), False
        elif word.endswith("''"):
            word = word.rstrip("'") + "'"
        if word.strip("'"):
            kept.append(WHOLE_WORDS.get(word, word))
    return kept


def _closed_later(words: list[str]) -> bool:
    """Return whether the next quotation mark closes; then a word before it ended with an apostrophe."""
    return next((word.endswith("'") for word in words if word[0] == "'" or word[-1] == "'"), False)


def normalizer(language: str) -> Callable[[str], str]:
    """Return the normalisation of a language, `en` or `zh`."""
    return normalize_mandarin if language == "zh" else normalize_english


def mandarin_clauses(text: str, where: str = "") -> list[str]:
    """Return the spoken form of Mandarin text, a string for each stretch between punctuation marks.

    Numbers become characters. Latin words stay, in lower case and between spaces; those in capitals are spelled (`c e o`).

    Raises:
        DataError: symbols that are neither characters, Latin letters nor punctuation, or nothing is left.
    """
    text = _RAISED.sub(_power, text.translate(APOSTROPHES))
    text = unicodedata.normalize("NFKC", text).translate(APOSTROPHES)
    text = apply(mandarin_rules.RULES, text)
    odd = [c for c in text if c in _MARKS]
    clauses = [_spaced(part) for part in re.split(_PAUSES, text)]
    odd += [
        c for clause in clauses for c in clause if not (is_hanzi(c) or (c.isascii() and c.isalpha()) or c in " '" or c in _MARKS)
    ]
    _checked("".join(clauses), odd, where)
    return [clause for clause in clauses if clause]


def normalize_mandarin(text: str, where: str = "") -> str:
    """Return the spoken form of Mandarin text without punctuation; only Latin words have spaces around them.

    Raises:
        DataError: symbols that are neither characters, Latin letters nor punctuation, or nothing is left.
    """
    return _spaced(" ".join(mandarin_clauses(text, where)))


def is_hanzi(character: str) -> bool:
    """Return whether a character is Chinese."""
    return "\u3400" <= character <= "\u9fff" or character == "〇" or "\U00020000" <= character <= "\U000323af"


def _spaced(text: str) -> str:
    """Replace punctuation by spaces and keep the spaces around Latin words only."""
    text = " ".join("".join(c if not unicodedata.category(c).startswith("P") or c == "'" else " " for c in text).split())
    return re.sub(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])", "", text)


def _checked(text: str, odd: list[str], where: str) -> str:
    prefix = f"{where}: " if where else ""
    if odd:
        raise UnknownSymbolsError(f"{prefix}unknown symbols {' '.join(sorted(set(odd)))}", symbols=tuple(odd))
    if not text:
        raise DataError(f"{prefix}empty text", expected="at least one word", fix="give its text, or drop the utterance")
    return text
