"""Phones of eSpeak NG, the inventory of the synthetic corpus (package `espeakng-loader`)."""

from ctaplib.errors import ConfigError, DataError
from ctaplib.phones import SILENCE
from ctaplib.synthetic.engine import Job, Voice
from ctaplib.synthetic.labels import Labels, label
from ctaplib.synthetic.languages import language
from ctaplib.synthetic.speaking import speak_once
from ctaplib.text.frontends import Pronunciation, TextConfig

PACKAGES = ("espeakng-loader",)


class Espeak:
    """Front end that lets the engine speak the text and keeps the phones."""

    def __init__(self, config: TextConfig) -> None:
        if config.user_lexicon:
            raise ConfigError(
                "the front end espeak takes no user lexicon: the engine reads whole sentences", fix="take another one"
            )
        self._language = language(config.language)
        self._voice = Voice(config.accent if config.language == "en" else self._language.accent, "m3")

    def __call__(self, text: str) -> Pronunciation:
        words = self._language.normalize(text)
        job = Job("text", words if " " in words else text, self._voice)  # Mandarin: clauses matter for its tones
        labels = self._language.relabel(words, label(job, speak_once(job), self._language.rename))
        if not isinstance(labels, Labels):
            raise DataError(f"{text!r}: {labels}")
        phones = tuple(phone for phone, _, _ in labels.phones if phone != SILENCE)
        if not phones:
            raise DataError(f"{text!r} has no phones", expected="words")
        return Pronunciation(phones, labels.words)


FRONTEND = Espeak
