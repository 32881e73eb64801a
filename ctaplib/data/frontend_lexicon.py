"""Phones from a pronunciation lexicon (`WORD PH PH ...` a line, the first entry of a word counts)."""

from __future__ import annotations

from pathlib import Path

from ctaplib.data.frontends import Pronunciation, TextConfig
from ctaplib.data.normalize import normalize_english
from ctaplib.data.phones import strip_position
from ctaplib.errors import DataError


def read_lexicon(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a lexicon; words in upper case, position tags (`_B _I _E _S`) removed.

    Raises:
        DataError: the file is missing, or lines have no phones (all of them are listed).
    """
    path = Path(path)
    lexicon: dict[str, tuple[str, ...]] = {}
    faults: list[str] = []
    if not path.is_file():
        raise DataError(f"there is no lexicon {path}", fix="set `lexicon` in conf/text.yaml")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        word, *phones = line.split()
        if not phones:
            faults.append(f"{path}:{number}: {word} has no phones")
        lexicon.setdefault(word.upper(), tuple(strip_position(p) for p in phones))
    if faults:
        raise DataError(f"{path} has {len(faults)} bad lines", faults, expected="`WORD PH PH ...`")
    return lexicon


class Lexicon:
    """Looks words up; a word that is not there is an error."""

    def __init__(self, config: TextConfig) -> None:
        self._path = config.lexicon
        self._lexicon = read_lexicon(config.lexicon)

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text."""
        words = normalize_english(text).upper().split()
        unknown = sorted({w for w in words if w not in self._lexicon})
        if unknown:
            raise DataError(
                f"words that {self._path} does not have: {' '.join(unknown)}", fix="add them, or take another front end"
            )
        pairs = [(phone, index) for index, word in enumerate(words) for phone in self._lexicon[word]]
        return Pronunciation(tuple(p for p, _ in pairs), tuple(i for _, i in pairs))


FRONTEND = Lexicon
