"""Rules of text normalisation: a pattern and the replacement of its matches."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from re import Match

DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 24, 32, 50, 64, 100})
"""Denominators of common fractions; other pairs of numbers that can be a month and a day are read as a date."""


class Rule:
    """A rule whose pattern is compiled at its first use, so that a run with one language does not wait for those of another.

    Args:
        pattern: Regular expression.
        replace: Returns the replacement of a match.
        flags: Flags of the expression.
    """

    def __init__(self, pattern: str, replace: Callable[[Match[str]], str], flags: int = 0) -> None:
        self.replace = replace
        self._source = pattern, flags

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(*self._source)


def apply(rules: Sequence[Rule], text: str) -> str:
    """Apply rules one after the other."""
    for rule in rules:
        text = rule.pattern.sub(rule.replace, text)
    return text
