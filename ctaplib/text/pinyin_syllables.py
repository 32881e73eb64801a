"""Pinyin syllables as phones: initial, final with its tone, and the r of a syllable with erhua.

Finals have their full names, as ESPnet's `pypinyin_g2p_phone` has them: `liu2` is `l iou2`, `ju4` is `j v4`, `yuan2` is `van2`;
the vowels of `zi` and `zhi` are finals of their own, `ii` and `iii`. A syllable without initial is its final alone. Erhua is a
phone without tone after the final: `huar1` is `h ua1 rr`.
"""

import re
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.normalize.tables import read_tables

_TABLES = read_tables(Path(__file__).with_suffix(".tsv"))
_ERHUA = "rr"
_SYLLABLE = re.compile(r"^([a-zv]+?)([1-5])$")


def _split_base(base: str) -> tuple[str, str] | None:
    """Split a syllable without tone and erhua into initial and full final; None where it is no syllable."""
    if base in _TABLES["bare"]:
        return "", _TABLES["bare"][base]
    initial = next((i for i in _TABLES["initial"] if base.startswith(i)), "")
    final = base[len(initial) :]
    if not initial or not final:
        return None
    if initial in {"j", "q", "x"} and final.startswith("u"):
        final = "v" + final[1:]
    elif final in _TABLES["short"] and not (final == "ue" and initial not in {"n", "l"}):
        final = _TABLES["short"][final]
    elif final == "i" and initial in {"z", "c", "s"}:
        final = "ii"
    elif final == "i" and initial in {"zh", "ch", "sh", "r"}:
        final = "iii"
    return (initial, final) if final in _TABLES["final"] else None


def _phones(syllable: str) -> list[str]:
    match = _SYLLABLE.match(syllable)
    if not match:
        return []
    base, tone = match.groups()
    erhua = base.endswith("r") and base != "er"
    parts = ("", "") if base == "r" else _split_base(base.removesuffix("r") if erhua else base)
    if parts is None:
        return []
    return [p for p in (parts[0], parts[1] + tone if parts[1] else "", _ERHUA if erhua else "") if p]


def pinyin_phones(syllable: str) -> list[str]:
    """Split a syllable into phones: `zhong1` is `zh ong1`, `er2` is `er2`, `dianr3` is `d ian3 rr`, `r5` is `rr`.

    Raises:
        DataError: it is no syllable of Mandarin with a tone from 1 to 5.
    """
    phones = _phones(syllable.lower().replace("ü", "v").replace("u:", "v"))
    if not phones:
        expected = "letters and a tone from 1 to 5 (5: neutral), e.g. zhong1, lv4, huar1"
        raise DataError(f"{syllable!r} is no pinyin syllable", expected=expected)
    return phones


def is_syllable(text: str) -> bool:
    """Return whether a text is a lower-case pinyin syllable with its tone."""
    return bool(_phones(text))
