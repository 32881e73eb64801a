"""What pypinyin's dictionary lacks or has otherwise: words with their readings, and characters that their neighbours decide.

Readings are those before tone sandhi, in `pinyin_words.tsv` (columns: table, word, reading). Where the standard of 1985
(普通话异读词审音表) and everyday speech differ, the standard is taken.
"""

import re
from pathlib import Path

from ctaplib.normalize.tables import read_tables

_TABLES = read_tables(Path(__file__).with_suffix(".tsv"))
WORDS = {word: tuple(reading.split()) for word, reading in _TABLES["word"].items()}
COMPOUNDS = _TABLES["compound"].keys()
"""Words without a reading of their own that sandhi and 一 treat as one."""
PHRASES = _TABLES["phrase"].keys()
"""Words of pypinyin's dictionary that are mostly two words in a row."""
CHARACTERS = _TABLES["character"]
"""Readings of characters that are no part of a word."""


def _compiled(patterns: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), reading) for pattern, reading in patterns.items()]


CONTEXT = _compiled(_TABLES["context"] | {f"(?<=姓){name}": reading for name, reading in _TABLES["surname"].items()})
"""Readings of characters that are in no word, by their neighbours (at the end of the pattern); the first match counts."""
STRONG_CONTEXT = _compiled(_TABLES["strong_context"])
"""Like `CONTEXT`, but also inside of words: 这种草 has no 种草."""
SYLLABIC_ER = re.compile(
    r"(?<=[女婴幼孤胎少育健宠男托弃])儿|(?<=新生)儿|(?<=足月)儿|(?<=早产)儿|(?<=混血)儿|(?<=患)儿|儿(?=[子女童歌媳孙时科戏化麻])|^儿"
)
"""Places where 儿 is a syllable of its own; everywhere else it is erhua of the syllable before it."""
