"""Phones from a pronunciation lexicon (`WORD PH PH ...` a line, the first entry of a word counts)."""

from ctaplib.normalize.normalizer import UnknownTextError, normalize_english
from ctaplib.text.frontends import Pronunciation, TextConfig, joined
from ctaplib.text.lexicons import read_lexicon, read_user_lexicon


class Lexicon:
    """Front end that looks words up; a missing word is an error."""

    def __init__(self, config: TextConfig) -> None:
        self._path = config.lexicon
        self._lexicon = read_lexicon(config.lexicon)
        self._lexicon |= {word.upper(): phones for word, phones in read_user_lexicon(config.user_lexicon).items()}

    def __call__(self, text: str) -> Pronunciation:
        words = normalize_english(text).upper().split()
        missing = [w for w in words if w not in self._lexicon]
        if missing:
            raise UnknownTextError(
                f"words that {self._path} does not have: {' '.join(sorted(set(missing)))}",
                unknown=tuple(map(str.lower, missing)), fix="add them, or take another front end",
            )  # fmt: skip
        return joined([self._lexicon[word] for word in words])


FRONTEND = Lexicon
