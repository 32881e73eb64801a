"""English phones (ARPAbet) by g2p-en, offline: its dictionary and tagger are laid out by `tools/prepare_g2p_data.py`."""

from __future__ import annotations

import importlib
import warnings

from ctaplib.data.frontends import Pronunciation, TextConfig
from ctaplib.data.normalize import normalize_english
from ctaplib.errors import DataError, DependencyError

NEEDED = ("corpora/cmudict.zip", "taggers/averaged_perceptron_tagger.zip", "taggers/averaged_perceptron_tagger_eng/")
_FIX = "run tools/prepare_g2p_data.py (tools/install.sh does), which needs no network"


class G2pEn:
    """Dictionary first, homographs by their part of speech, a small network for words that the dictionary does not have."""

    def __init__(self, config: TextConfig) -> None:
        if config.language != "en":
            raise DataError(f"the front end g2p_en speaks English only, not {config.language}", fix="take pypinyin or espeak")
        try:
            nltk_data = importlib.import_module("nltk.data")
        except ImportError as error:
            raise DependencyError(
                "the package g2p-en is not installed", fix="pip install g2p-en, or run tools/install.sh"
            ) from error
        for name in NEEDED:  # before the import of g2p_en, which would try to download them
            try:
                nltk_data.find(name)
            except LookupError as error:
                raise DependencyError(f"g2p-en lacks its data: {name}", fix=_FIX) from error
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._g2p = importlib.import_module("g2p_en").G2p()
        except ImportError as error:
            raise DependencyError(
                "the package g2p-en is not installed", fix="pip install g2p-en, or run tools/install.sh"
            ) from error

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        phones: list[str] = []
        words: list[int] = []
        count = 0
        for phone in self._g2p(normalize_english(text)):
            if phone == " ":
                count += 1
            elif phone.isalnum():
                phones.append(phone)
                words.append(count)
        return Pronunciation(tuple(phones), tuple(words))


FRONTEND = G2pEn
