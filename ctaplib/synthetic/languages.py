"""The languages of the synthetic corpus, by code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctaplib.errors import ConfigError
from ctaplib.normalize.normalizer import normalize_english, normalize_mandarin
from ctaplib.phones import SILENCE, english_phone, mandarin_phone
from ctaplib.synthetic.sentences import sentence_stream
from ctaplib.synthetic.sentences_zh import mandarin_stream
from ctaplib.synthetic.speak_corpus import Language, Line, Said
from ctaplib.synthetic.tones import engine_tones, is_vowel


def _english(seed: int) -> Iterator[Line]:
    for sentence in sentence_stream(seed):
        yield Line(sentence.spoken, sentence.text)


def _mandarin(seed: int) -> Iterator[Line]:
    for sentence in mandarin_stream(seed):
        yield Line(sentence.spoken, sentence.text)


def with_tones(text: str, said: Said) -> Said | str:
    """Put the tone of each syllable on its vowel; say why not where counts disagree."""
    tones = engine_tones(said.transcript)
    vowels = sum(is_vowel(phone) for phone, _, _ in said.phones)
    if not len(text) == len(tones) == vowels:
        return f"{len(text)} characters, {len(tones)} tones and {vowels} syllables in the speech disagree"
    rest = iter(tones)
    phones = tuple((phone + next(rest) if is_vowel(phone) else phone, a, b) for phone, a, b in said.phones)
    if any(phone != SILENCE and "(" in phone for phone, _, _ in phones):
        return "the engine changed the language"
    return replace(said, phones=phones)


def language(code: str) -> Language:
    """Give a language of the synthetic corpus.

    Raises:
        ConfigError: there is no such language.
    """
    if code == "en":
        return Language("en", "en", _english, english_phone, normalize_english)
    if code == "zh":
        return Language("zh", "cmn", _mandarin, mandarin_phone, normalize_mandarin, with_tones)
    raise ConfigError(f"no language {code!r}", expected="en or zh")
