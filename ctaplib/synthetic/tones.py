"""The tones that the speech engine really speaks (pinyin: `pinyin.py`, `pinyin_syllables.py`).

The engine writes the tone of each syllable as a pitch contour (55, 35, 214, 51, 11) in its transcription and changes a third tone
before another third tone to a second one, within what it says without a pause. Its phone events carry no tone, so tones are
taken from the transcription and put on the vowel of each syllable, after that change.
"""

from __future__ import annotations

import re

_TONES = {"55": "1", "35": "2", "214": "3", "21": "3", "51": "4", "53": "4", "11": "5", "22": "5", "33": "5", "44": "5"}
_TONE = re.compile(r"\d+")
_VOWEL = re.compile(r"^[aAeEiIoOuUyV@&]")


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
