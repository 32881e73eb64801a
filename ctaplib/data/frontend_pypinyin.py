"""Mandarin phones by pypinyin: initial and final with tone, after tone sandhi (`n i2 h ao3`)."""

from __future__ import annotations

import importlib

from ctaplib.data.frontends import Pronunciation, TextConfig
from ctaplib.data.mandarin import pinyin_phones, syllables
from ctaplib.data.normalize import normalize_mandarin
from ctaplib.errors import DependencyError


class Pinyin:
    """Reads characters by phrase; a syllable is a word."""

    def __init__(self, config: TextConfig) -> None:
        try:
            importlib.import_module("pypinyin")
        except ImportError as error:
            raise DependencyError(
                "the package pypinyin is not installed", fix="pip install pypinyin, or run tools/install.sh"
            ) from error

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        phones: list[str] = []
        words: list[int] = []
        for index, syllable in enumerate(syllables(normalize_mandarin(text))):
            parts = pinyin_phones(syllable)
            phones += parts
            words += [index] * len(parts)
        return Pronunciation(tuple(phones), tuple(words))


FRONTEND = Pinyin
