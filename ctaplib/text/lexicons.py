"""Lexicons: that of the user, which is asked before every front end, and whole ones for the front end `lexicon`."""

from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import read_encoded
from ctaplib.normalize.normalizer import is_hanzi
from ctaplib.phones import strip_position
from ctaplib.text.pinyin_syllables import is_syllable, pinyin_phones


def read_lexicon(path: str | Path, setting: str = "lexicon") -> dict[str, tuple[str, ...]]:
    """Read a lexicon, `WORD PH PH ...` a line; the first entry of a word counts.

    Words come in upper case. Position tags (`_B _I _E _S`) are removed. A word of Chinese characters may have pinyin with tones
    in place of phones, one syllable for each character.

    Args:
        path: The file.
        setting: Setting that names it, for messages.

    Raises:
        DataError: the file is missing or not UTF-8, or lines have no phones (all of them are listed).
    """
    path = Path(path)
    lexicon: dict[str, tuple[str, ...]] = {}
    faults: list[str] = []
    if not path.is_file():
        raise DataError(f"there is no lexicon {path}", fix=f"set `{setting}` in conf/text.yaml")
    for number, line in enumerate(read_encoded(path).splitlines(), 1):
        if not line.strip():
            continue
        word, *phones = line.split()
        if not phones:
            faults.append(f"{path}:{number}: {word} has no phones")
        if is_hanzi(word[0]) and len(phones) == len(word) and all(map(is_syllable, phones)):
            phones = [phone for syllable in phones for phone in pinyin_phones(syllable)]
        lexicon.setdefault(word.upper(), tuple(strip_position(p) for p in phones))
    if faults:
        raise DataError(f"{path} has {len(faults)} bad lines", faults, expected="`WORD PH PH ...`")
    return lexicon


def read_user_lexicon(path: str) -> dict[str, tuple[str, ...]]:
    """Read the user's lexicon; an empty path is an empty lexicon. Words come in lower case, as normalised text has them."""
    return {word.lower(): phones for word, phones in read_lexicon(path, "user_lexicon").items()} if path else {}
