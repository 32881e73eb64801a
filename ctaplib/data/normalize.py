"""Turn text as people write it into words as people say them.

Numbers are spoken, punctuation goes, letters take one case. What cannot be spoken (a symbol that no rule knows) is reported, not
dropped.
"""

from __future__ import annotations

import re
import unicodedata

from ctaplib.data.english_rules import CAPITALS, NET, NUMBERS, RULES, apply
from ctaplib.data.english_words import APOSTROPHES, ELISIONS, LETTERS, SIGNS, SILENT
from ctaplib.data.numerals_english import spell_number, spell_ordinal
from ctaplib.errors import DataError

__all__ = ["normalize_english", "normalize_mandarin", "spell_number", "spell_ordinal"]
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")


def normalize_english(text: str, where: str = "") -> str:
    """Turn English text into lower-case words with apostrophes, single spaces.

    Args:
        text: text as written.
        where: what it belongs to, for the message.

    Raises:
        DataError: symbols that no rule can speak, or no word is left.
    """
    text = _VULGAR.sub(" ", text.translate(APOSTROPHES))
    text = unicodedata.normalize("NFKC", text).translate(APOSTROPHES)
    text = text.replace("\u2044", "/").replace("–", "-").replace("−", "-").replace("‑", "-").replace("‐", "-")
    text = apply(RULES, apply(NET, text))
    if any(c.islower() for c in text):  # where all is in capitals they tell nothing
        text = apply(CAPITALS, text)
    text = apply(NUMBERS, text).lower()
    text = "".join(f" {SIGNS[c]} " if c in SIGNS else " " if c in SILENT else c for c in text).translate(LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    odd = sorted({c for c in plain if not (c.isascii() and (c.isalpha() or c in "' ")) and not c.isspace()})
    return _checked(" ".join(_unquoted(plain.split())), odd, where)


def _unquoted(words: list[str]) -> list[str]:
    """Take single quotation marks off, and leave apostrophes: `'hello'` is `hello`, `'tis` and `boys'` stay."""
    kept = []
    quoted = False
    for word in words:
        if word.startswith("'") and word not in ELISIONS:
            word, quoted = word.lstrip("'"), True
        if word.endswith("'") and word not in ELISIONS and (quoted or not word.rstrip("'").endswith(("s", "in"))):
            word, quoted = word.rstrip("'"), False
        elif word.endswith("''"):
            word = word.rstrip("'") + "'"
        if word.strip("'"):
            kept.append(word)
    return kept


def normalize_mandarin(text: str, where: str = "") -> str:
    """Keep Chinese characters only, without spaces.

    Raises:
        DataError: symbols that are neither Chinese characters nor punctuation, or none is left.
    """
    text = unicodedata.normalize("NFKC", text)
    kept = [c for c in text if not c.isspace() and not unicodedata.category(c).startswith("P")]
    return _checked("".join(kept), sorted({c for c in kept if not "\u3400" <= c <= "\u9fff"}), where)


def _checked(text: str, odd: list[str], where: str) -> str:
    prefix = f"{where}: " if where else ""
    if odd:
        raise DataError(f"{prefix}unknown symbols {' '.join(odd)}", expected="text that can be spoken", fix="write them as words")
    if not text:
        raise DataError(f"{prefix}empty text", expected="at least one word", fix="give its text, or drop the utterance")
    return text
