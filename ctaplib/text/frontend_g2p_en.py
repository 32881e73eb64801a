"""English phones (ARPAbet) by g2p-en, offline: its dictionary and tagger are laid out by `tools/prepare_g2p_data.py`.

In this order: the user's lexicon, our homographs, those of g2p-en, the dictionary, endings (`'s`, `'ve`) of words in the
dictionary, and g2p-en's network; words that the network guessed are named.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ctaplib.errors import DataError, DependencyError, missing_package
from ctaplib.normalize.normalizer import normalize_english
from ctaplib.text.frontends import Pronunciation, TextConfig, joined
from ctaplib.text.homographs import pronounce, word_class
from ctaplib.text.lexicons import read_user_lexicon

NEEDED = ("corpora/cmudict.zip", "taggers/averaged_perceptron_tagger.zip", "taggers/averaged_perceptron_tagger_eng/")
PACKAGES = ("g2p-en", "nltk")
_ENDINGS = {"'ve": ["AH0", "V"], "'ll": ["AH0", "L"], "'re": ["ER0"], "'m": ["M"], "n't": ["AH0", "N", "T"]}
_SIBILANTS = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


def data_files() -> list[Path]:
    """Return the files that decide the phones: the tagger's weights and the dictionary.

    Raises:
        DependencyError: g2p-en or a file is missing.
    """
    if importlib.util.find_spec("g2p_en") is None:
        raise missing_package(ModuleNotFoundError("No module named 'g2p_en'", name="g2p_en"))
    nltk_data = importlib.import_module("nltk.data")
    found = []
    for name in NEEDED:
        try:
            found.append(nltk_data.find(name))
        except LookupError as error:
            fix = "run tools/prepare_g2p_data.py (tools/install.sh does), which needs no network"
            raise DependencyError(f"g2p-en lacks its data: {name}", fix=fix) from error
    weights = Path(str(found[-1])) / "averaged_perceptron_tagger_eng.weights.json"
    return [weights, Path(str(nltk_data.find("corpora").path)) / "cmudict.zip"]


@contextmanager
def _without_typeguard() -> Iterator[None]:
    """Switch off typeguard's decorator while g2p-en is imported.

    g2p-en imports inflect (numbers as words, which we normalise ourselves), whose functions typeguard rewrites one by one:
    1.7 of the 3.3 s of processor time that the import takes.
    """
    if importlib.util.find_spec("typeguard") is None or "inflect" in sys.modules:
        yield
        return
    typeguard: Any = importlib.import_module("typeguard")
    real = typeguard.typechecked
    typeguard.typechecked = lambda target: target
    try:
        yield
    finally:
        typeguard.typechecked = real


class G2pEn:
    """Front end of a dictionary, homographs by their neighbours and part of speech, and a small network for all other words."""

    def __init__(self, config: TextConfig) -> None:
        if config.language != "en":
            raise DataError(f"the front end g2p_en reads English only, not {config.language}", fix="take pypinyin or espeak")
        data_files()  # before the import of g2p_en, which would try to download them
        with warnings.catch_warnings(), _without_typeguard():
            warnings.simplefilter("ignore")
            module = importlib.import_module("g2p_en.g2p")
            self._g2p = module.G2p()
        self._tag = module.pos_tag
        self._user = read_user_lexicon(config.user_lexicon)

    def __call__(self, text: str) -> Pronunciation:
        words = normalize_english(text).split()
        tags = cache(lambda: [tag for _, tag in self._tag(words)])
        guessed: list[str] = []
        found: list[Sequence[str]] = []
        for index, word in enumerate(words):
            phones = self._user.get(word) or pronounce(words, index) or self._homograph(words, index, tags)
            if not phones and word == "a" and _is_letter(words, index):
                phones = ["EY1"]
            phones = phones or self._known(word)
            if not phones:
                guessed.append(word)
                phones = self._guess(word)
            found.append(phones)
        return joined(found, guessed)

    def _homograph(self, words: Sequence[str], index: int, tags: Callable[[], list[str]]) -> Sequence[str] | None:
        """Return the phones of a homograph of g2p-en by its class or, where that is open, the part of speech."""
        if words[index] not in self._g2p.homograph2features:
            return None
        first, second, part = self._g2p.homograph2features[words[index]]
        return first if (word_class(words, index) or tags()[index]).startswith(part) else second

    def _known(self, word: str) -> list[str] | None:
        """Return the phones of a word of the dictionary, or of one with an ending; None where it is neither."""
        if word in self._user:
            return list(self._user[word])
        if word in self._g2p.cmu:
            return list(self._g2p.cmu[word][0])
        if word.startswith("'") or word.endswith("'"):
            return self._known(word.strip("'"))
        if word.endswith("'s"):
            base = self._known(word[:-2])
            return _with_s(base) if base else None
        if word.endswith("'d"):
            base = self._known(word[:-2])
            return base + (["AH0", "D"] if base[-1] in {"T", "D"} else ["D"]) if base else None
        for ending, phones in _ENDINGS.items():
            if word.endswith(ending):
                base = self._known(word.removesuffix(ending))
                return base + phones if base else None
        return None

    def _guess(self, word: str) -> list[str]:
        """Return the phones by the network; an `'s` is left to the rule."""
        if word.endswith("'s") and len(word) > 2:
            return _with_s(self._guess(word[:-2]))
        return [p for p in self._g2p.predict(word.replace("'", "")) if p.isalnum()]


def _with_s(phones: list[str]) -> list[str]:
    last = phones[-1]
    return phones + (["IH0", "Z"] if last in _SIBILANTS else ["S"] if last in _VOICELESS else ["Z"])


def _is_letter(words: Sequence[str], index: int) -> bool:
    """Return whether `a` is the letter and not the article: letters beside it, or no word that it could belong to."""
    after = words[index + 1] if index + 1 < len(words) else ""
    before = words[index - 1] if index else ""
    letters = [w for w in (before, after) if len(w) == 1 and w not in "ai"]
    return bool(letters) or after in {"", "and", "or", "is", "was"}


FRONTEND = G2pEn
