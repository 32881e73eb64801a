"""Mandarin syllables and tones: pinyin to phones, and the tones that the speech engine really speaks.

The engine writes the tone of each syllable as a pitch contour (55, 35, 214, 51, 11) in its transcription and changes a third tone
before another third tone to a second one, within what it says without a pause. Its phone events carry no tone, so tones are
taken from the transcription and put on the vowel of each syllable, after that change.
"""

from __future__ import annotations

import importlib
import re

_TONES = {"55": "1", "35": "2", "214": "3", "21": "3", "51": "4", "53": "4", "11": "5", "22": "5", "33": "5", "44": "5"}
_TONE = re.compile(r"\d+")
_VOWEL = re.compile(r"^[aAeEiIoOuUyV@&]")
_INITIALS = "zh ch sh b p m f d t n l g k h j q x r z c s y w".split()


def sandhi(tones: list[str]) -> list[str]:
    """Change every third tone that stands directly before a third tone to a second one."""
    return [("2" if t == "3" and following == "3" else t) for t, following in zip(tones, [*tones[1:], ""], strict=True)]


def engine_tones(transcript: str) -> list[str]:
    """Give the tone (1 to 5) of each syllable of the engine's transcription; clauses stand on lines of their own."""
    tones: list[str] = []
    for clause in transcript.splitlines():
        tones += sandhi([_TONES.get(digits, "5") for digits in _TONE.findall(clause)])
    return tones


def is_vowel(phone: str) -> bool:
    """Tell whether an engine phone is the nucleus of a syllable."""
    return bool(_VOWEL.match(phone))


def syllables(text: str) -> list[str]:
    """Give the pinyin syllables of a text with tone numbers after sandhi (neutral is 5), e.g. `ni2 hao3`.

    Third tones change as the engine does it; `yi` and `bu` as pypinyin does it.
    """
    pypinyin = importlib.import_module("pypinyin")
    style = pypinyin.Style.TONE3
    plain = pypinyin.lazy_pinyin(text, style=style, neutral_tone_with_five=True)
    changed = pypinyin.lazy_pinyin(text, style=style, neutral_tone_with_five=True, tone_sandhi=True)
    tones = sandhi([p[-1] for p in plain])
    return [c[:-1] + (tone if p[-1] == "3" else c[-1]) for p, c, tone in zip(plain, changed, tones, strict=True)]


def pinyin_phones(syllable: str) -> list[str]:
    """Split a syllable into initial and final with tone: `zhong1` is `zh ong1`, `er2` is `er2`."""
    for initial in _INITIALS:
        if syllable.startswith(initial) and len(syllable) > len(initial) + 1:
            return [initial, syllable[len(initial) :]]
    return [syllable]
