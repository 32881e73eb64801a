"""Pinyin syllables as phones: initial, final with its tone, and the r of a syllable with erhua.

Finals have their full names, as ESPnet's `pypinyin_g2p_phone` has them: `liu2` is `l iou2`, `ju4` is `j v4`, `yuan2` is `van2`;
the vowels of `zi` and `zhi` are finals of their own, `ii` and `iii`. A syllable without initial is its final alone. Erhua is a
phone without tone behind the final: `huar1` is `h ua1 rr`.
"""

from __future__ import annotations

import re

from ctaplib.errors import DataError

INITIALS = "zh ch sh b p m f d t n l g k h j q x r z c s".split()
ERHUA = "rr"
_BARE = {
    "yi": "i", "ya": "ia", "yo": "io", "ye": "ie", "yai": "iai", "yao": "iao", "you": "iou", "yan": "ian", "yin": "in",
    "yang": "iang", "ying": "ing", "yong": "iong", "yu": "v", "yv": "v", "yue": "ve", "yve": "ve", "yuan": "van", "yvan": "van",
    "yun": "vn", "yvn": "vn", "wu": "u", "wa": "ua", "wo": "uo", "wai": "uai", "wei": "uei", "wan": "uan", "wen": "uen",
    "wang": "uang", "weng": "ueng",
}  # fmt: skip
_SAME = "a ai an ang ao e ei en eng er o ou m n ng hm hng".split()
_SHORT = {"iu": "iou", "ui": "uei", "un": "uen", "ue": "ve"}
_FINALS = set(
    """a ai an ang ao e ei en eng er i ia ian iang iao ie in ing iong iou o ong ou u
    ua uai uan uang uei uen uo v van ve vn ii iii""".split()
)
_SYLLABLE = re.compile(r"^([a-zv]+?)([1-5])$")


def split_syllable(syllable: str) -> tuple[str, str, str, str]:
    """Split a syllable such as `zhuangr4` into initial, full final, `r` or nothing, and tone.

    Raises:
        DataError: it is no syllable of Mandarin with a tone from 1 to 5.
    """
    match = _SYLLABLE.match(syllable.lower().replace("ü", "v").replace("u:", "v"))
    if match:
        base, tone = match.groups()
        coda = "r" if base.endswith("r") and base != "er" else ""
        found = ("", "") if coda and base == "r" else _parts(base.removesuffix("r") if coda else base)
        if found is not None:
            return (*found, coda, tone)
    raise DataError(
        f"{syllable!r} is no pinyin syllable", expected="letters and a tone from 1 to 5 (5: neutral), e.g. zhong1, lv4, huar1"
    )


def _parts(base: str) -> tuple[str, str] | None:
    if base in _BARE:
        return "", _BARE[base]
    if base in _SAME:
        return "", base
    initial = next((i for i in INITIALS if base.startswith(i)), "")
    final = base[len(initial) :]
    if not initial or not final:
        return None
    if initial in {"j", "q", "x"} and final.startswith("u"):
        final = "v" + final[1:]
    elif final in _SHORT and not (final == "ue" and initial not in {"n", "l"}):
        final = _SHORT[final]
    elif final == "i" and initial in {"z", "c", "s"}:
        final = "ii"
    elif final == "i" and initial in {"zh", "ch", "sh", "r"}:
        final = "iii"
    return (initial, final) if final in _FINALS else None


def pinyin_phones(syllable: str) -> list[str]:
    """Split a syllable into phones: `zhong1` is `zh ong1`, `er2` is `er2`, `dianr3` is `d ian3 rr`.

    Raises:
        DataError: it is no syllable of Mandarin with a tone from 1 to 5.
    """
    initial, final, coda, tone = split_syllable(syllable)
    return [p for p in (initial, final + tone if final else "", ERHUA if coda else "") if p]


def is_syllable(text: str) -> bool:
    """Tell whether a text is a pinyin syllable with its tone."""
    match = _SYLLABLE.match(text)
    if not match:
        return False
    base = match[1]
    return _parts(base) is not None or (base.endswith("r") and _parts(base[:-1]) is not None)
