"""Characters to pinyin: words for polyphones, erhua, and the tone sandhi of third tones, 一 and 不.

Tone conventions are those of AISHELL-3's `content.txt`: tones after sandhi (`hen2 hao3`, `yi2 zhi4`), the neutral tone
is 5, 个 keeps its fourth tone, 一 inside a number keeps its first tone, and ü is `v`. Words and characters that pypinyin's
dictionary lacks or has otherwise are in `pinyin_words.tsv`.
"""

import importlib
import re
from functools import cache
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.normalize.normalizer import is_hanzi
from ctaplib.normalize.tables import read_tables

_TABLES = read_tables(Path(__file__).with_name("pinyin_words.tsv"))


def _compiled(patterns: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), reading) for pattern, reading in patterns.items()]


_CONTEXT = _compiled(_TABLES["context"] | {f"(?<=姓){name}": reading for name, reading in _TABLES["surname"].items()})
_STRONG_CONTEXT = _compiled(_TABLES["strong_context"])
_SYLLABIC_ER = re.compile("|".join(_TABLES["syllabic_er"]))
_LONGEST = 8
_NUMERALS = "零〇一二三四五六七八九十百千万亿两点幺"
_UNITS = set("十百千万亿")
_RANKED = re.compile(r"一(?:年级|等奖|等[品舱座]|级|流|线|班|季度|环|把手|中$)")
"""一 as an ordinal."""


@cache
def _dictionary() -> dict[str, list[list[str]]]:
    phrases: dict[str, list[list[str]]] = importlib.import_module("pypinyin.phrases_dict").phrases_dict
    return phrases


def _is_word(text: str) -> bool:
    return text in _TABLES["word"] or text in _TABLES["compound"] or (text in _dictionary() and text not in _TABLES["phrase"])


def words(clause: str) -> list[str]:
    """Cut a clause into words by longest match from both ends; the cut of fewer words is taken, of equals that from the right."""
    from_left, from_right = _match(clause, False), _match(clause, True)
    return from_left if len(from_left) < len(from_right) else from_right


def _match(text: str, from_right: bool) -> list[str]:
    found: list[str] = []
    while text:
        for size in range(min(_LONGEST, len(text)), 0, -1):
            part = text[-size:] if from_right else text[:size]
            if size == 1 or _is_word(part):
                break
        found.append(part)
        text = text[: -len(part)] if from_right else text[len(part) :]
    return found[::-1] if from_right else found


def _convert(word: str) -> list[str]:
    """Return the readings of a word by pypinyin, tones as digits."""
    pypinyin = importlib.import_module("pypinyin")
    found: list[str] = pypinyin.lazy_pinyin(
        word, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, v_to_u=False, errors=lambda text: list(text)
    )
    return found


def _readings(clause: str, parts: list[str]) -> list[str]:
    """Return the syllable of each character of a clause, before erhua and sandhi."""
    context = {match.end() - 1: reading for pattern, reading in reversed(_CONTEXT) for match in pattern.finditer(clause)}
    found: list[str] = []
    for word in parts:
        syllables = _TABLES["word"].get(word, "").split() or _convert(word)
        if len(word) == 1:
            syllables = [context.get(len(found)) or _TABLES["character"].get(word) or syllables[0]]
        for character, syllable in zip(word, syllables, strict=True):
            found.append({"一": "yi1", "不": "bu4", "个": "ge4"}.get(character, syllable))
    for pattern, reading in _STRONG_CONTEXT:
        for match in pattern.finditer(clause):
            found[match.end() - 1] = reading
    unknown = sorted({c for c, s in zip(clause, found, strict=True) if not re.search(r"[a-zê]", s)})
    if unknown:
        raise DataError(f"characters without a reading: {' '.join(unknown)}", fix="put them into the user lexicon")
    return [s if s[-1].isdigit() else s + "5" for s in found]


def _one(clause: str, index: int, following: str, spans: list[tuple[int, int]]) -> str:
    """Return the tone of 一 at a place of a clause; `following` is the tone of the next syllable, or ""."""
    before, after = clause[:index][-1:], clause[index + 1 : index + 2]
    apart = any(start < index - 1 and end == index and set(clause[start:end]) - set(_NUMERALS) for start, end in spans) and (
        before in _NUMERALS
    )  # the numeral before is the last of a word: 统一一下
    if not following or before in {"第", "初"} or (before and before in _NUMERALS and not apart):
        return "1"
    scored = before == "比" and index > 1 and clause[index - 2] in _NUMERALS
    if (
        scored
        or clause[index:].startswith("一不二")
        or (after in set("一二三四五六七八九零〇幺") and not apart)
        or (after in set("月日号楼审") or _RANKED.match(clause, index))
        or re.match(r"[点比][零一二三四五六七八九]", clause[index + 1 :])
    ):
        return "1"
    if any(start < index and index + 1 == end for start, end in spans) and before not in set("同另某这那哪每看"):
        return "1"  # the last of its word: 统一, 唯一
    return "2" if following == "4" else "4"


def _third(tones: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """Apply third-tone sandhi: within each word first, then from the right between words."""
    tones = list(tones)
    for start, end in spans:
        for i in range(start, end - 1):
            if tones[i] == "3" and tones[i + 1] == "3":
                tones[i] = "2"
    for i in range(len(tones) - 2, -1, -1):
        if tones[i] == "3" and tones[i + 1] == "3":
            tones[i] = "2"
    return tones


def read_clause(clause: str) -> list[tuple[str, str]]:
    """Read a stretch of characters without a pause.

    Args:
        clause: Chinese characters only.

    Returns:
        Characters and their syllable with tone, after sandhi; a 儿 of erhua stands with the character before it
        (`花儿`, `huar1`).

    Raises:
        DataError: characters that have no reading.
    """
    parts = [piece for run in _runs(clause) for piece in run]
    syllables = _readings(clause, parts)
    spans = []
    at = 0
    for word in parts:
        spans.append((at, at + len(word)))
        at += len(word)
    tones = [s[-1] for s in syllables]
    changed = list(tones)
    for i, character in enumerate(clause):
        following = tones[i + 1] if i + 1 < len(tones) else ""
        if character == "一":
            changed[i] = _one(clause, i, following, spans)
        elif character == "不" and following == "4":
            changed[i] = "2"
    erhua = {m.start() for m in re.finditer("儿", clause)} - {m.start() for m in _SYLLABIC_ER.finditer(clause)}
    erhua = {i for i in erhua if i and not syllables[i - 1][:-1].endswith("r")}
    kept = [i for i in range(len(clause)) if i not in erhua]
    place = {old: new for new, old in enumerate(kept)}
    final = _third(
        [changed[i] for i in kept],
        [(place[kept_in[0]], place[kept_in[-1]] + 1) for a, b in spans if (kept_in := [i for i in range(a, b) if i in place])],
    )
    return [
        (clause[i] + ("儿" if i + 1 in erhua else ""), syllables[i][:-1] + ("r" if i + 1 in erhua else "") + tone)
        for i, tone in zip(kept, final, strict=True)
    ]


def _runs(clause: str) -> list[list[str]]:
    """Split a clause into runs of numerals and of others, and these into words; each digit with its unit (五百) is a word."""
    found: list[list[str]] = []
    at = 0
    for match in re.finditer(rf"[{_NUMERALS}]{{2,}}", clause):
        if not set(match[0]) & _UNITS or _is_word(match[0]):
            continue
        found.append(words(clause[at : match.start()]))
        found.append([p for p in re.findall(r"[^十百千万亿]?[十百千万亿]+|.", match[0]) if p])
        at = match.end()
    found.append(words(clause[at:]))
    return found


def read(clause: str) -> list[tuple[str, str]]:
    """Return the pieces of a clause and their syllables; Latin words, between spaces, have the syllable ""."""
    found: list[tuple[str, str]] = []
    for piece in re.findall(r"[^\x00-\x7f]+|[a-z']+", clause):
        found += read_clause(piece) if is_hanzi(piece[0]) else [(piece, "")]
    return found
