"""Turn text as people write it into words as people say them.

Numbers are spoken, punctuation goes, letters take one case. What cannot be spoken (a symbol that no rule knows) is reported, not
dropped.
"""

from __future__ import annotations

import re
import unicodedata

from ctaplib.errors import DataError

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen""".split()
_TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_WORDS = {
    "&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "mr.": "mister", "mrs.": "missus", "dr.": "doctor",
    "st.": "saint", "etc.": "et cetera",
}  # fmt: skip
_SILENT = set('.,;:!?"()[]{}-/\\…—–·“”«»')
_MONEY = {"$": "dollar", "£": "pound", "€": "euro"}
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})


def spell_number(number: int) -> str:
    """Say a whole number in English words: 1234 is `one thousand two hundred thirty four`."""
    if number < 0:
        return "minus " + spell_number(-number)
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f" {_ONES[number % 10]}" if number % 10 else "")
    for scale, name in _SCALES:
        if number >= scale:
            rest = f" {spell_number(number % scale)}" if number % scale else ""
            return f"{spell_number(number // scale)} {name}{rest}"
    raise AssertionError(number)


def spell_ordinal(number: int) -> str:
    """Say an ordinal: 21 is `twenty first`."""
    *head, last = spell_number(number).split()
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th" if not last.endswith("t") else "h"
    return " ".join([*head, last])


def _spell_year(number: int) -> str:
    high, low = divmod(number, 100)
    if number % 1000 < 10:
        return spell_number(number)
    return f"{spell_number(high)} " + ("hundred" if low == 0 else (f"oh {spell_number(low)}" if low < 10 else spell_number(low)))


def _numeral(match: re.Match[str]) -> str:
    money, digits, fraction, ending = match["money"], match["digits"].replace(",", ""), match["fraction"], match["ending"]
    number = int(digits)
    if ending in {"st", "nd", "rd", "th"}:
        return spell_ordinal(number)
    if money:
        unit = _MONEY[money]
        words = f"{spell_number(number)} {unit}{'' if number == 1 else 's'}"
        return words + (f" {spell_number(int((fraction + '0')[:2]))}" if fraction and int(fraction) else "")
    if fraction:
        return f"{spell_number(number)} point {' '.join(_ONES[int(d)] for d in fraction)}"
    if ending == "s":
        return f"{_spell_year(number)}s".replace("ys", "ies")
    if len(digits) > 12:
        return " ".join(_ONES[int(d)] for d in digits)
    return (
        _spell_year(number) if len(digits) == 4 and 1100 <= number < 2100 and "," not in match["digits"] else spell_number(number)
    )


_NUMERAL = re.compile(
    r"(?P<money>[$£€])?(?<!\w)(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?(?P<ending>st|nd|rd|th|s)?(?!\w)"
)


_LETTER_MEETS_DIGIT = re.compile(r"(?<=[a-z'])(?=\d)|(?<=\d)(?=[a-z'])(?!(?:st|nd|rd|th|s)(?!\w))")


def normalize_english(text: str, where: str = "") -> str:
    """Turn English text into lower-case words with apostrophes, single spaces.

    Args:
        text: text as written.
        where: what it belongs to, for the message.

    Raises:
        DataError: symbols that no rule can speak, or no word is left.
    """
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    text = " ".join(_WORDS.get(word, word) for word in text.split())
    text = _LETTER_MEETS_DIGIT.sub(" ", text)
    text = _NUMERAL.sub(lambda m: f" {_numeral(m)} ", text)
    text = re.sub(r"[&%+=@$£€]", lambda m: f" {_WORDS.get(m[0]) or _MONEY[m[0]]} ", text)
    text = "".join(" " if c in _SILENT else c for c in text)
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    odd = sorted({c for c in plain if not (c.isascii() and (c.isalpha() or c in "' "))})
    words = [w for w in (word.strip("'") if word.count("'") == len(word) else word for word in plain.split()) if w]
    return _checked(" ".join(words), odd, where)


def normalize_mandarin(text: str, where: str = "") -> str:
    """Keep Chinese characters only, without spaces.

    Raises:
        DataError: symbols that are neither Chinese characters nor punctuation, or none is left.
    """
    text = unicodedata.normalize("NFKC", text)
    kept = [c for c in text if not c.isspace() and not unicodedata.category(c).startswith("P")]
    return _checked("".join(kept), sorted({c for c in kept if not "\u3400" <= c <= "\u9fff"}), where)


def _checked(text: str, odd: list[str], where: str) -> str:
    prefix = f"{where}: " if where else ""
    if odd:
        raise DataError(f"{prefix}unknown symbols {' '.join(odd)}", expected="text that can be spoken", fix="write them as words")
    if not text:
        raise DataError(f"{prefix}empty text", expected="at least one word", fix="give its text, or drop the utterance")
    return text
