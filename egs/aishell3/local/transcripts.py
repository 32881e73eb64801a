"""Read the transcripts of AISHELL-3: lines of its text files, pinyin, characters and pinyin in turn."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import read_encoded
from ctaplib.text.pinyin_syllables import pinyin_phones

_FINALS = """a o e i u v er ai ei ao ou an en ang eng ong ia ie io iao iu ian in iang ing iong ua uo uai ui uan un uang ue ve van
    vn m n ng""".split()
_SYLLABLE = re.compile(rf"(?:(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?(?:{'|'.join(_FINALS)})r?|hng|r)[1-5]")


@dataclass(frozen=True)
class Said:
    """What one line of `content.txt` says."""

    text: str
    syllables: tuple[str, ...]
    """Pinyin with tone 1 to 5, `v` for ü."""


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and their numbers: without a byte order mark, CR, comments and empty lines; full-width letters and digits folded."""
    text = read_encoded(path, fix="restore it from the archive")
    for number, line in enumerate(unicodedata.normalize("NFKC", text).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


@cache
def syllable(pinyin: str) -> str:
    """One syllable of the corpus, `v` for ü; "" if it is none."""
    plain = pinyin.lower().replace("u:", "v").replace("ü", "v")
    try:
        return plain if _SYLLABLE.fullmatch(plain) and pinyin_phones(plain) else ""
    except DataError:
        return ""


def parse_content(tokens: list[str]) -> Said | str:
    """Read characters and pinyin in turn; a string is the reason why that cannot be done."""
    if not tokens:
        return "empty text"
    if len(tokens) % 2:
        return f"{len(tokens)} words, expected characters and pinyin in turn"
    syllables = [syllable(pinyin) for pinyin in tokens[1::2]]
    wrong = [f"{c} {p}" for c, p, s in zip(tokens[::2], tokens[1::2], syllables, strict=True) if not s]
    if wrong:
        return f"no pinyin with a tone: {', '.join(wrong)}"
    return Said("".join(tokens[::2]), tuple(syllables))
