"""Phones from a pronunciation lexicon (`WORD PH PH ...` a line, the first entry of a word counts)."""

from __future__ import annotations

from ctaplib.normalize.normalizer import normalize_english
from ctaplib.text.frontends import MissingWordsError, Pronunciation, TextConfig, joined
from ctaplib.text.lexicons import read_lexicon, read_user_lexicon


class Lexicon:
    """Looks words up; a word that is not there is an error."""

    def __init__(self, config: TextConfig) -> None:
        self._path = config.lexicon
        self._lexicon = read_lexicon(config.lexicon)
        self._lexicon |= {word.upper(): phones for word, phones in read_user_lexicon(config.user_lexicon).items()}

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        words = normalize_english(text).upper().split()
        unknown = sorted({w for w in words if w not in self._lexicon})
        if unknown:
            raise MissingWordsError(
                f"words that {self._path} does not have: {' '.join(unknown)}",
                words=tuple(w.lower() for w in words if w not in self._lexicon),
                fix="add them, or take another front end",
            )
        return joined([self._lexicon[word] for word in words])


FRONTEND = Lexicon
