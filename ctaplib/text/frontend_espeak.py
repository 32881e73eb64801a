"""Phones of eSpeak NG, the same inventory as the synthetic corpus has (package `espeakng-loader`)."""

from __future__ import annotations

from ctaplib.errors import ConfigError, DataError
from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import Job, Voice, speak_once
from ctaplib.synthetic.languages import language
from ctaplib.synthetic.speak_corpus import Said, describe
from ctaplib.text.frontends import Pronunciation, TextConfig

PACKAGES = ("espeakng-loader",)


class Espeak:
    """Lets the engine read the text and keeps the phones that it said."""

    def __init__(self, config: TextConfig) -> None:
        if config.user_lexicon:
            raise ConfigError(
                "the front end espeak takes no user lexicon: the engine reads whole sentences", fix="take another one"
            )
        self._language = language(config.language)
        self._voice = Voice(config.accent if config.language == "en" else self._language.accent, "m3")

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones that the engine says."""
        words = self._language.normalize(text)
        job = Job("text", words if " " in words else text, self._voice)  # Mandarin: clauses matter for its tones
        said = self._language.relabel(words, describe(job, speak_once(job), self._language.rename))
        if not isinstance(said, Said):
            raise DataError(f"{text!r}: {said}")
        phones = tuple(phone for phone, _, _ in said.phones if phone != SILENCE)
        if not phones:
            raise DataError(f"{text!r} has no phones", expected="words")
        return Pronunciation(phones, said.words)


FRONTEND = Espeak
