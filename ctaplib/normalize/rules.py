"""What the rules of text are made of: a pattern, and what a match of it is said as."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from re import Match


class Rule:
    """A rule; its pattern is compiled when the first text comes to it: what one language needs, another need not wait for.

    Args:
        pattern: The regular expression.
        say: What a match is said as.
        flags: Flags of the expression.
    """

    def __init__(self, pattern: str, say: Callable[[Match[str]], str], flags: int = 0) -> None:
        self.say = say
        self._written = pattern, flags

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(*self._written)


def apply(rules: Sequence[Rule], text: str) -> str:
    """Apply rules one after the other."""
    for rule in rules:
        text = rule.pattern.sub(rule.say, text)
    return text
