"""The languages of the synthetic corpus, by code."""

from __future__ import annotations

from collections.abc import Iterator

from ctaplib.data.phones import english_phone
from ctaplib.data.sentences import sentence_stream
from ctaplib.data.speak_corpus import Language, Line
from ctaplib.errors import ConfigError


def _english(seed: int) -> Iterator[Line]:
    for sentence in sentence_stream(seed):
        yield Line(sentence.spoken, sentence.text)


def language(code: str) -> Language:
    """Give a language of the synthetic corpus.

    Raises:
        ConfigError: there is no such language.
    """
    if code == "en":
        return Language("en", _english, english_phone)
    raise ConfigError(f"no language {code!r}", expected="en or zh")
