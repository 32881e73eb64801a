"""English phones (IPA) by gruut, offline: its tagger decides homographs; numbers are read by our normalisation."""

import importlib
from collections.abc import Sequence

from ctaplib.errors import DataError, missing_package
from ctaplib.normalize.normalizer import normalize_english
from ctaplib.text.frontends import Pronunciation, TextConfig, joined
from ctaplib.text.lexicons import read_user_lexicon

PACKAGES = ("gruut", "gruut-lang-en")
LANGUAGE = "en-us"
Piece = tuple[str, Sequence[str]]


class Gruut:
    """Front end of gruut after the user's lexicon; stress marks stay (`ˈ`, `ˌ`)."""

    def __init__(self, config: TextConfig) -> None:
        if config.language != "en":
            raise DataError(f"the front end gruut reads English only, not {config.language}", fix="take pypinyin or espeak")
        try:
            self._sentences = importlib.import_module("gruut").sentences
            self._known = importlib.import_module("gruut.lang").get_settings(LANGUAGE).lookup_phonemes
        except ModuleNotFoundError as error:
            raise missing_package(error) from error
        self._user = read_user_lexicon(config.user_lexicon)

    def __call__(self, text: str) -> Pronunciation:
        words = normalize_english(text).split()
        pieces = self._pieces(" ".join(words))
        found: list[Sequence[str]] = []
        guessed = []
        for word in words:
            phones = self._take(word, pieces)
            if word in self._user:
                phones = self._user[word]
            elif not self._known(word.strip("'")):
                guessed.append(word)
            if not phones:
                raise DataError(f"gruut has no phones for {word!r} in {text!r}", fix="put it into the user lexicon")
            found.append(phones)
        return joined(found, guessed)

    def _pieces(self, text: str) -> list[Piece]:
        """Return the pieces that gruut cuts a text into, without punctuation, in reverse."""
        return [
            (word.text, word.phonemes or ())
            for sentence in self._sentences(text, lang=LANGUAGE)
            for word in sentence
            if word.is_spoken
        ][::-1]

    def _take(self, word: str, pieces: list[Piece]) -> Sequence[str]:
        """Take the pieces of a word off the list; where they do not fit, phonemize the word alone."""
        bare = word.replace("'", "")
        phones: list[str] = []
        taken = ""
        at = len(pieces)
        while at and bare.startswith(taken + pieces[at - 1][0].replace("'", "")) and taken != bare:
            at -= 1
            taken += pieces[at][0].replace("'", "")
            phones += pieces[at][1]
        if taken == bare:
            del pieces[at:]
            return phones
        pieces.clear()  # gruut cut the rest in a way of its own
        return [phone for _, part in self._pieces(word)[::-1] for phone in part]


FRONTEND = Gruut
