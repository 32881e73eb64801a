"""Mandarin phones: initial and final with tone, after tone sandhi (`n i2 h ao3`), by pypinyin's dictionary and our rules."""

import importlib
import re

from ctaplib.errors import DataError, missing_package
from ctaplib.normalize.normalizer import mandarin_clauses
from ctaplib.text.frontends import FrontEnd, Pronunciation, TextConfig, joined, make_frontend
from ctaplib.text.lexicons import read_user_lexicon
from ctaplib.text.pinyin import read
from ctaplib.text.pinyin_syllables import pinyin_phones

PACKAGES = ("pypinyin",)


class Pinyin:
    """Front end that reads characters word by word; each syllable is a word. Latin words go to the front end `foreign`."""

    def __init__(self, config: TextConfig) -> None:
        try:
            importlib.import_module("pypinyin")
        except ModuleNotFoundError as error:
            raise missing_package(error) from error
        self._config = config
        self._user = read_user_lexicon(config.user_lexicon)
        own = sorted((w for w in self._user if not w.isascii()), key=len, reverse=True)
        self._own = re.compile(f"({'|'.join(map(re.escape, own))})") if own else None
        self._foreign: FrontEnd | None = None

    def __call__(self, text: str) -> Pronunciation:
        found: list[list[str]] = []
        guessed: list[str] = []
        for clause in mandarin_clauses(text):
            for piece in self._own.split(clause) if self._own else [clause]:
                if piece in self._user:
                    found.append(list(self._user[piece]))
                    continue
                for written, syllable in read(piece):
                    if syllable:
                        found.append(pinyin_phones(syllable))
                    else:
                        foreign = self._latin(written)
                        found.append(list(foreign.phones))
                        guessed += foreign.guessed
        return joined(found, guessed)

    def _latin(self, word: str) -> Pronunciation:
        if word in self._user:
            return Pronunciation(self._user[word], ())
        if not self._config.foreign:
            raise DataError(
                f"the Latin word {word!r}", expected="characters", fix="name a front end in `foreign` of conf/text.yaml"
            )
        if self._foreign is None:
            self._foreign = make_frontend(
                self._config.model_copy(update={"frontend": self._config.foreign, "language": "en", "user_lexicon": ""})
            )
        return self._foreign(word)


FRONTEND = Pinyin
