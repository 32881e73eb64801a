r"""Rules of text normalisation, from tables (`*_rules.tsv`) of patterns and what their matches are replaced by.

A pattern is a regular expression in which `{unit}` stands for the words of the table `unit` (`{Unit}`: with a capital), or for
the pattern of a row `define unit ...`. A replacement in quotes is a template: `{2:year}` is group 2 in the form `year`, which is
a function or a table of words; a part in square brackets is dropped where one of its groups is empty. A replacement without
quotes names a function of the match. Where a form or a function raises ValueError, the match stays as it is.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from re import Match

from ctaplib.normalize.tables import Tables, read_tables

DENOMINATORS = frozenset({*range(2, 11), 12, 16, 20, 24, 32, 50, 64, 100})
"""Denominators of common fractions; other pairs of numbers that can be a month and a day are read as a date."""
Form = Callable[[str], str]
Replacement = Callable[[Match[str]], str]
_NAME = re.compile(r"\{([A-Za-z]\w*)\}")
_FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}")
_OPTIONAL = re.compile(r"\[(.*?)\]")


class Rule:
    """A rule whose pattern is compiled at its first use, so that a run with one language does not wait for those of another."""

    def __init__(self, pattern: str, replace: Replacement) -> None:
        self._pattern, self._replace = pattern, replace

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self._pattern)

    def replace(self, match: Match[str]) -> str:
        """Return what a match is replaced by."""
        try:
            return self._replace(match)
        except ValueError:
            return match[0]


def apply(rules: Sequence[Rule], text: str) -> str:
    """Apply rules one after the other."""
    for rule in rules:
        text = rule.pattern.sub(rule.replace, text)
    return text


def read_rules(path: Path, words: Tables, forms: Mapping[str, Form], functions: Iterable[Replacement]) -> dict[str, list[Rule]]:
    """Read the rules of a table (columns: rules, pattern, replacement), by the name of their set.

    Args:
        path: The table.
        words: Tables of words for patterns and templates.
        forms: Spoken forms of templates, by name.
        functions: Functions of a match, which the table names.
    """
    tables = read_tables(path)
    defined: dict[str, str] = {}

    def expand(pattern: str) -> str:
        return _NAME.sub(lambda name: f"(?:{defined.get(name[1]) or _alternatives(name[1], words)})", pattern)

    for name, pattern in tables.pop("define").items():
        defined[name] = expand(pattern)
    forms = {name: _look_up(table) for name, table in words.items()} | dict(forms)
    by_name = {function.__name__: function for function in functions}
    return {
        name: [
            Rule(expand(pattern), _template(replacement[1:-1], forms) if replacement[0] == '"' else by_name[replacement])
            for pattern, replacement in rules.items()
        ]
        for name, rules in tables.items()
    }


def _alternatives(name: str, words: Tables) -> str:
    keys = sorted(words[name.lower()], key=len, reverse=True)
    return "|".join(re.escape(key.capitalize() if name[0].isupper() else key) for key in keys)


def _look_up(table: Mapping[str, str]) -> Form:
    return lambda text: table.get(text.lower(), text)


def _template(template: str, forms: Mapping[str, Form]) -> Replacement:
    def replace(match: Match[str]) -> str:
        def value(field: Match[str]) -> str:
            text = match[int(field[1]) if field[1].isdigit() else field[1]] or ""
            return forms[field[2]](text) if text and field[2] else text

        def optional(part: Match[str]) -> str:
            return part[1] if all(map(value, _FIELD.finditer(part[1]))) else ""

        return _FIELD.sub(value, _OPTIONAL.sub(optional, template))

    return replace
