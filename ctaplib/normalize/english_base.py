"""Parts that the rules of English share."""

import re
from collections.abc import Callable
from re import Match

from ctaplib.normalize.english_words import CODAS, ONSETS

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
ANY_CASE = re.IGNORECASE


def spoken(word: str) -> Callable[[Match[str]], str]:
    """Return the replacement of a rule whose spoken form is always the same."""
    return lambda match: f" {word} "


def spell_letters(text: str) -> str:
    """Spell the letters of a text: `FBI` is `f b i`."""
    return " ".join(c.lower() for c in text if c.isalpha())


def pronounceable(word: str) -> bool:
    """Return whether a lower-case word can be read (`nasa`, not `hdmi`): it has a vowel between an English onset and coda."""
    match = re.fullmatch(r"([^aeiouy]*|y)(?:[aeiouy].*?)??[aeiouy]([^aeiouy]*)", word)
    if not match:
        return False
    onset, coda = match.groups()
    return (len(onset) < 2 or onset in ONSETS) and (len(coda) < 2 or coda in CODAS)
