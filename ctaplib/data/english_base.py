"""What the rules of English are made of: a pattern, and what a match of it is said as."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import Match

Rule = tuple[re.Pattern[str], Callable[[Match[str]], str]]
NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
ANY_CASE = re.IGNORECASE


def rule(pattern: str, say: Callable[[Match[str]], str], flags: int = 0) -> Rule:
    """Make a rule."""
    return re.compile(pattern, flags), say


def said(word: str) -> Callable[[Match[str]], str]:
    """Say a fixed word in place of what matches."""
    return lambda match: f" {word} "


def letters(text: str) -> str:
    """Say the letters of a text one by one."""
    return " ".join(c.lower() for c in text if c.isalpha())


def apply(rules: Sequence[Rule], text: str) -> str:
    """Apply rules one after the other."""
    for pattern, say in rules:
        text = pattern.sub(say, text)
    return text
