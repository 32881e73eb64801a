"""Pinyin syllables as phones: initial, final with its tone, and the r of a syllable with erhua.

Finals have their full names, as ESPnet's `pypinyin_g2p_phone` has them: `liu2` is `l iou2`, `ju4` is `j v4`, `yuan2` is `van2`;
the vowels of `zi` and `zhi` are finals of their own, `ii` and `iii`. A syllable without initial is its final alone. Erhua is a
phone without tone after the final: `huar1` is `h ua1 rr`.
"""

import re

from ctaplib.errors import DataError

_INITIALS = "zh ch sh b p m f d t n l g k h j q x r z c s".split()
_ERHUA = "rr"
_BARE = {
    "yi": "i", "ya": "ia", "yo": "io", "ye": "ie", "yai": "iai", "yao": "iao", "you": "iou", "yan": "ian", "yin": "in",
    "yang": "iang", "ying": "ing", "yong": "iong", "yu": "v", "yv": "v", "yue": "ve", "yve": "ve", "yuan": "van", "yvan": "van",
    "yun": "vn", "yvn": "vn", "wu": "u", "wa": "ua", "wo": "uo", "wai": "uai", "wei": "uei", "wan": "uan", "wen": "uen",
    "wang": "uang", "weng": "ueng",
}  # fmt: skip
_BARE |= {final: final for final in "a ai an ang ao e ei en eng er o ou m n ng hm hng".split()}
"""Finals of syllables without initial."""
_SHORT = {"iu": "iou", "ui": "uei", "un": "uen", "ue": "ve"}
_FINALS = set(
    """a ai an ang ao e ei en eng er i ia ian iang iao ie in ing iong iou o ong ou u
    ua uai uan uang uei uen uo v van ve vn ii iii""".split()
)
_SYLLABLE = re.compile(r"^([a-zv]+?)([1-5])$")


def _split_base(base: str) -> tuple[str, str] | None:
    """Split a syllable without tone and erhua into initial and full final; None where it is no syllable."""
    if base in _BARE:
        return "", _BARE[base]
    initial = next((i for i in _INITIALS if base.startswith(i)), "")
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
    """Split a syllable into phones: `zhong1` is `zh ong1`, `er2` is `er2`, `dianr3` is `d ian3 rr`, `r5` is `rr`.

    Raises:
        DataError: it is no syllable of Mandarin with a tone from 1 to 5.
    """
    match = _SYLLABLE.match(syllable.lower().replace("ü", "v").replace("u:", "v"))
    if match:
        base, tone = match.groups()
        erhua = base.endswith("r") and base != "er"
        found = ("", "") if base == "r" else _split_base(base.removesuffix("r") if erhua else base)
        if found is not None:
            initial, final = found
            return [p for p in (initial, final + tone if final else "", _ERHUA if erhua else "") if p]
    raise DataError(
        f"{syllable!r} is no pinyin syllable", expected="letters and a tone from 1 to 5 (5: neutral), e.g. zhong1, lv4, huar1"
    )


def is_syllable(text: str) -> bool:
    """Return whether a text is a lower-case pinyin syllable with its tone."""
    match = _SYLLABLE.match(text)
    if not match:
        return False
    base = match[1]
    return _split_base(base) is not None or (base.endswith("r") and _split_base(base[:-1]) is not None)
