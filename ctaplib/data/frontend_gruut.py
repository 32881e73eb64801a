"""English phones (IPA) by gruut, offline: numbers, money and homographs are handled there."""

from __future__ import annotations

import importlib

from ctaplib.data.frontends import Pronunciation, TextConfig
from ctaplib.errors import DataError, DependencyError


class Gruut:
    """Asks gruut; stress marks stay (`ˈ`, `ˌ`)."""

    def __init__(self, config: TextConfig) -> None:
        if config.language != "en":
            raise DataError(f"the front end gruut speaks English only, not {config.language}", fix="take pypinyin or espeak")
        try:
            self._sentences = importlib.import_module("gruut").sentences
        except ImportError as error:
            raise DependencyError(
                "the package gruut is not installed", fix="pip install gruut, or run tools/install.sh"
            ) from error

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        phones: list[str] = []
        words: list[int] = []
        count = 0
        for sentence in self._sentences(text, lang="en-us"):
            for word in sentence:
                if not word.is_spoken:
                    continue
                if not word.phonemes:
                    raise DataError(f"gruut has no phones for {word.text!r} in {text!r}", fix="write it as words")
                phones += word.phonemes
                words += [count] * len(word.phonemes)
                count += 1
        if not phones:
            raise DataError(f"{text!r} has no words", expected="text that can be spoken")
        return Pronunciation(tuple(phones), tuple(words))


FRONTEND = Gruut
