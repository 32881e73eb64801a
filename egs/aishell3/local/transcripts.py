"""Read the transcripts of AISHELL-3: pinyin, and characters and pinyin in turn."""

import re
from dataclasses import dataclass
from functools import cache

from ctaplib.errors import DataError
from ctaplib.text.pinyin_syllables import pinyin_phones

_FINALS = """a o e i u v er ai ei ao ou an en ang eng ong ia ie io iao iu ian in iang ing iong ua uo uai ui uan un uang ue ve van
    vn m n ng""".split()
_SYLLABLE = re.compile(rf"(?:(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?(?:{'|'.join(_FINALS)})r?|hng|r)[1-5]")


@dataclass(frozen=True)
class Reading:
    """One line of `content.txt`."""

    text: str
    syllables: tuple[str, ...]
    """Pinyin with tone 1 to 5, `v` for ü."""


@cache
def syllable(pinyin: str) -> str:
    """Return a syllable in one spelling, `v` for ü; empty if it is none."""
    plain = pinyin.lower().replace("u:", "v").replace("ü", "v")
    try:
        return plain if _SYLLABLE.fullmatch(plain) and pinyin_phones(plain) else ""
    except DataError:
        return ""


def parse_content(tokens: list[str]) -> Reading | str:
    """Read characters and pinyin in turn; a string is the reason why that cannot be done."""
    if not tokens:
        return "empty text"
    if len(tokens) % 2:
        return f"{len(tokens)} words, expected characters and pinyin in turn"
    syllables = [syllable(pinyin) for pinyin in tokens[1::2]]
    wrong = [f"{c} {p}" for c, p, s in zip(tokens[::2], tokens[1::2], syllables, strict=True) if not s]
    if wrong:
        return f"no pinyin with a tone: {', '.join(wrong)}"
    return Reading("".join(tokens[::2]), tuple(syllables))
