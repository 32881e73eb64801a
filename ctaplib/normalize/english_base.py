"""What several rules of English have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from re import Match

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
ANY_CASE = re.IGNORECASE


def said(word: str) -> Callable[[Match[str]], str]:
    """Say a fixed word in place of what matches."""
    return lambda match: f" {word} "


def letters(text: str) -> str:
    """Say the letters of a text one by one."""
    return " ".join(c.lower() for c in text if c.isalpha())
