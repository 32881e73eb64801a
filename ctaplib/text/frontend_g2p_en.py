"""English phones (ARPAbet) by g2p-en, offline: its dictionary and tagger are laid out by `tools/prepare_g2p_data.py`.

The user's lexicon comes first, then homographs, the dictionary, endings (`'s`, `'ve`) of words in the dictionary, and at last
g2p-en's network; words that it had to guess are named.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctaplib.errors import DataError, DependencyError
from ctaplib.normalize.normalizer import normalize_english
from ctaplib.text.frontends import Pronunciation, TextConfig, joined
from ctaplib.text.homographs import PRONUNCIATIONS, word_class
from ctaplib.text.lexicons import read_user_lexicon

NEEDED = ("corpora/cmudict.zip", "taggers/averaged_perceptron_tagger.zip", "taggers/averaged_perceptron_tagger_eng/")
PACKAGES = ("g2p-en", "nltk")
_FIX = "run tools/prepare_g2p_data.py (tools/install.sh does), which needs no network"
_ENDINGS = {"'ve": ["AH0", "V"], "'ll": ["AH0", "L"], "'re": ["ER0"], "'m": ["M"], "n't": ["AH0", "N", "T"]}
_HISSING = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


def data_files() -> list[Path]:
    """Files that decide what the front end says: the tagger's weights and the dictionary.

    Raises:
        DependencyError: NLTK or a file is missing.
    """
    try:
        nltk_data = importlib.import_module("nltk.data")
    except ImportError as error:
        raise DependencyError("the package g2p-en is not installed", fix="pip install g2p-en, or run tools/install.sh") from error
    found = []
    for name in NEEDED:
        try:
            found.append(nltk_data.find(name))
        except LookupError as error:
            raise DependencyError(f"g2p-en lacks its data: {name}", fix=_FIX) from error
    weights = Path(str(found[-1])) / "averaged_perceptron_tagger_eng.weights.json"
    return [weights, Path(str(nltk_data.find("corpora").path)) / "cmudict.zip"]


@contextmanager
def _unchecked() -> Iterator[None]:
    """Switch off typeguard's decorator while g2p-en is imported.

    Its numbers package, inflect, is decorated with it, and then rewrites its own source: most of the seconds that the import
    takes. We say numbers ourselves.
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
    """Dictionary first, homographs by their neighbours and part of speech, a small network for words in no dictionary."""

    def __init__(self, config: TextConfig) -> None:
        if config.language != "en":
            raise DataError(f"the front end g2p_en speaks English only, not {config.language}", fix="take pypinyin or espeak")
        data_files()  # before the import of g2p_en, which would try to download them
        try:
            with warnings.catch_warnings(), _unchecked():
                warnings.simplefilter("ignore")
                module = importlib.import_module("g2p_en.g2p")
                self._g2p = module.G2p()
        except ImportError as error:
            raise DependencyError(
                "the package g2p-en is not installed", fix="pip install g2p-en, or run tools/install.sh"
            ) from error
        self._tag = module.pos_tag
        self._user = read_user_lexicon(config.user_lexicon)

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        words = normalize_english(text).split()
        guessed: list[str] = []
        found: list[Sequence[str]] = []
        tags: list[str] = []
        for index, word in enumerate(words):
            if word in self._user:
                phones: Sequence[str] = self._user[word]
            elif word in PRONUNCIATIONS:
                phones = PRONUNCIATIONS[word](words, index).split()
            elif word in self._g2p.homograph2features:
                first, second, part = self._g2p.homograph2features[word]
                kind = word_class(words, index)
                if not kind:
                    tags = tags or [tag for _, tag in self._tag(words)]
                    kind = tags[index]
                phones = first if kind.startswith(part) else second
            elif word == "a" and _is_letter(words, index):
                phones = ["EY1"]
            else:
                phones = self._known(word) or []
                if not phones:
                    guessed.append(word)
                    phones = self._guess(word)
            found.append(phones)
        return joined(found, guessed)

    def _known(self, word: str) -> list[str] | None:
        """Phones of a word of the dictionary, or of one with an ending; None where it has neither."""
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
        """Phones by the network; an `'s` is left for the rule."""
        if word.endswith("'s") and len(word) > 2:
            return _with_s(self._guess(word[:-2]))
        return [p for p in self._g2p.predict(word.replace("'", "")) if p.isalnum()]


def _with_s(phones: list[str]) -> list[str]:
    last = phones[-1]
    return phones + (["IH0", "Z"] if last in _HISSING else ["S"] if last in _VOICELESS else ["Z"])


def _is_letter(words: Sequence[str], index: int) -> bool:
    """Tell the letter A from the article: letters beside it, or nothing that it could belong to."""
    after = words[index + 1] if index + 1 < len(words) else ""
    before = words[index - 1] if index else ""
    letters = [w for w in (before, after) if len(w) == 1 and w not in "ai"]
    return bool(letters) or after in {"", "and", "or", "is", "was"}


FRONTEND = G2pEn
