"""The rules of written English (`english_rules.tsv`) with their words (`english_words.tsv`) and spoken forms."""

import re
from collections.abc import Callable
from pathlib import Path
from re import Match

from ctaplib.normalize.english_numerals import (
    plural,
    roman,
    spell_decimal,
    spell_digits,
    spell_fraction,
    spell_number,
    spell_ordinal,
    spell_pair,
    spell_room,
    spell_whole,
    spell_year,
)
from ctaplib.normalize.rules import DENOMINATORS, Form, read_rules
from ctaplib.normalize.tables import read_tables

WORDS = read_tables(Path(__file__).with_name("english_words.tsv"))
_PER = WORDS["unit"] | WORDS["per_unit"]
WORDS["divisor"] = {unit: name for unit, name in _PER.items() if "/" not in unit and unit[0] != "°"}
_MONTHS = list(WORDS["month"])
_CENTURY = 50
"""Years of two digits from here on are 19xx, those below 20xx."""
_NO_VOWEL = re.compile(r"[b-df-hj-np-tv-xz]{2,5}", re.IGNORECASE)


def spell_letters(text: str) -> str:
    """Spell the letters of a text: `FBI` is `f b i`."""
    return " ".join(c.lower() for c in text if c.isalpha())


def net_address(match: Match[str]) -> str:
    """Read an address of mail or of the net: `a@b.com` is `a at b dot com`; `https://` is dropped."""
    text = re.sub(r"^[a-z]+://", "", match[0], flags=re.IGNORECASE)
    tail = re.search(r"[.,;:!?)/'\"]*$", text)
    words = text[: tail.start()] if tail else text
    parts = []
    for part in re.findall(r"[A-Za-z]+|\d+|.", words):
        spelled = WORDS["spelled_domain"].get(part.lower()) or (" ".join(part.lower()) if _NO_VOWEL.fullmatch(part) else "")
        parts.append(WORDS["web_sign"].get(part) or spelled or part.lower())
    return f" {' '.join(parts)} {tail[0] if tail else ''}"


# --- dates and times


def _month(text: str) -> str:
    if text.isdigit():
        return _MONTHS[_between(text, 12) - 1]
    key = text.lower().rstrip(".")
    return WORDS["short_month"].get(key, key)


def _between(text: str, highest: int) -> int:
    if not 1 <= int(text) <= highest:
        raise ValueError(text)
    return int(text)


def _day(text: str) -> str:
    return spell_ordinal(_between(text, 31))


def _year(text: str) -> str:
    year = int(text)
    return spell_year(year if len(text) > 2 else year + (1900 if year >= _CENTURY else 2000))


def date_with_slashes(match: Match[str]) -> str:
    """Read `5/3/2020` with the month first, unless only the day can be first."""
    month, day = match[1], match[2]
    if int(month) > 12 >= int(day):
        month, day = day, month
    return f"{_month(month)} {_day(day)} {_year(match[3])} "


def month_and_day(match: Match[str]) -> str:
    """Read `5/31` as a date where the words before it or the numbers tell that it is no fraction."""
    month, day = int(match["month"]), int(match["day"])
    if not match["before"] and (day in DENOMINATORS or month >= day):
        return match[0]
    return f"{match['before'] or ''}{_month(match['month'])} {_day(match['day'])} "


def clock(match: Match[str]) -> str:
    """Read a time of the day."""
    hour, minute, half = int(match["hour"]), int(match["minute"]), match["half"]
    if hour > 24 or minute > 59:
        return f"{spell_number(hour)} to {spell_number(minute)}"
    ending = f" {half[0].lower()} m " if half else ""
    if match["second"]:
        return f"{spell_number(hour)} {spell_pair(minute)} {spell_pair(int(match['second']))}{ending}"
    if minute or half:
        return f"{spell_number(hour)}{f' {spell_pair(minute)}' if minute else ''}{ending}"
    return f"{spell_number(hour)} o'clock" if 1 <= hour <= 12 else f"{spell_number(hour)} hundred"


def season(match: Match[str]) -> str:
    """Read `1998-99`."""
    first, last = int(match[1]), int(match[2])
    return f"{spell_year(first)} to {spell_pair(last)} " if first % 100 < last or last == 0 else match[0]


# --- quantities


def _telephone(text: str) -> str:
    return f"{'plus ' if '+' in text else ''}{spell_digits(text)}"


def money(match: Match[str]) -> str:
    """Read a sum of money."""
    one, many, *hundredth = WORDS["money"][match["sign"] or match["after"]].split()
    amount, scale = (match["amount"] or match["before"]).replace(",", ""), match["scale"] or match["short"]
    country = f"{WORDS['country'].get(match['country']) or spell_letters(match['country'])} " if match["country"] else ""
    beside = bool(match["article"]) and re.match(r"[\s-]+[a-z]", match.string[match.end() :]) is not None
    head = match["article"] or ""
    scaled = f"{WORDS['scale'][scale.lower()]} " if scale else ""
    if match["last"]:
        return f"{head}{spell_decimal(amount)} to {spell_decimal(match['last'])} {scaled}{country}{many} "
    if scale:
        return f"{head}{spell_decimal(amount)} {scaled}{country}{one if beside else many} "
    whole, _, fraction = amount.partition(".")
    if fraction and (len(fraction) != 2 or not hundredth):
        return f"{head}{spell_decimal(amount)} {country}{many} "
    units, small = int(whole or 0), int(fraction or 0)
    parts = [f"{spell_number(units)} {country}{one if units == 1 or beside else many}"] if units or not small else []
    if small:
        parts.append(f"{spell_number(small)} {hundredth[small != 1]}")
    return f"{head}{' and '.join(parts)} "


def quantity(match: Match[str]) -> str:
    """Read the unit of a number; the number itself is left to a later rule."""
    unit = match["unit"]
    if unit in {"G", "M", "L", "T"} or re.fullmatch(r"[A-Z]{2,}s", unit):  # 5G, 3M, 40 HRs: names, no grams or metres
        return match[0]
    name = WORDS["unit"][unit.lower()]
    first, *rest = name.split()
    beside = (bool(match["article"]) and re.match(r"\s+[a-z]", match.string[match.end() :]) is not None) or match["hyphen"]
    if match["number"] != "1" and not beside and name not in WORDS["uncounted_unit"]:
        if rest and rest[0] not in {"per", "celsius", "fahrenheit"}:
            rest[-1] = _many(rest[-1])
        else:
            first = _many(first)
    if match["each"]:
        rest += ["per", WORDS["divisor"][match["each"].lower()]]
    return f"{match['article'] or ''}{match['number']} {' '.join([first, *rest])} "


def _many(name: str) -> str:
    return {"foot": "feet", "inch": "inches"}.get(name) or (plural(name) if name.endswith("y") else name + "s")


def inches(match: Match[str]) -> str:
    """Read the mark of inches where it is no quotation mark."""
    return match[0] if match.string.count('"') % 2 == 0 else f"{match[1]} inches "


def power(match: Match[str]) -> str:
    """Read an exponent."""
    sign, digits = match[1].strip("{}("), match[2]
    if not sign and digits in {"2", "3"}:
        return f" {'squared' if digits == '2' else 'cubed'} "
    return f" to the power of {'minus ' if sign else ''}{spell_decimal(digits)} "


# --- names, abbreviations, initialisms


def title(match: Match[str]) -> str:
    """Expand a title before a name, `St.` and `Dr.` also after the name of a street."""
    word, dot = match["word"].lower(), match["dot"]
    rest, before = match.string[match.end() :], match.string[: match.start()]
    named = re.match(r"\s*[A-Z]", rest) is not None
    if word in {"st", "dr"} and not named and re.search(r"(?:[A-Z][\w']*|\d(?:st|nd|rd|th))\s+$", before):
        return "street " if word == "st" else "drive "
    if not dot and not (word in WORDS["bare_title"] and named and match["word"][0].isupper()) and word not in {"jr", "sr"}:
        return match[0]
    if word not in WORDS["plain_title"] and not named and not re.search(r"\b(?:Lt|Maj|Brig|Vice)\.?\s+$", before):
        return match[0]
    if word in {"jr", "sr"} and not (dot or re.search(r"[A-Z][\w']*,?\s+$", before)):
        return match[0]
    return WORDS["title"][word] + " "


def _initials(word: str) -> str:
    if word not in WORDS["initialism"] and (_pronounceable(word.lower()) or word in WORDS["interjection"]):
        raise ValueError(word)
    return spell_letters(word)


def _pronounceable(word: str) -> bool:
    """Return whether a lower-case word can be read (`nasa`, not `hdmi`): it has a vowel between an English onset and coda."""
    match = re.fullmatch(r"([^aeiouy]*|y)(?:[aeiouy].*?)??[aeiouy]([^aeiouy]*)", word)
    if not match:
        return False
    onset, coda = match.groups()
    return (len(onset) < 2 or onset in WORDS["onset"]) and (len(coda) < 2 or coda in WORDS["coda"])


# --- plain numbers


def fraction(match: Match[str]) -> str:
    """Read `3/4`, with a whole number before it or without."""
    whole, top, bottom = match["whole"], int(match["top"]), int(match["bottom"])
    if not 2 <= bottom <= 100 or top >= bottom:
        return f"{whole or ''} {match['top']} slash {match['bottom']} "
    words = spell_fraction(top, bottom)
    return f"{spell_decimal(whole)} and {'a half' if words == 'one half' else words} " if whole else f" {words} "


def _agent(text: str) -> str:
    words = spell_number(int(text))
    return f"{words}{'rs' if words.endswith('e') else 'ers'}"


def _plain(text: str) -> str:
    return spell_year(int(text)) if len(text) == 4 and text.isdigit() and 1100 <= int(text) < 2100 else spell_decimal(text)


def _of_number(spell: Callable[[int], str]) -> Form:
    return lambda text: spell(int(text.replace(",", "")))


FORMS: dict[str, Form] = {
    "agent": _agent, "day": _day, "decimal": spell_decimal, "digits": spell_digits, "genitive": lambda text: "'s",
    "initials": _initials, "letters": spell_letters, "lower": str.lower, "month": _month, "number": _of_number(spell_number),
    "ordinal": _of_number(spell_ordinal), "pair": _of_number(spell_pair), "plain": _plain, "room": _of_number(spell_room),
    "decade": lambda text: plural(spell_year(int(text)) if len(text) == 4 else spell_number(int(text))),
    "plural": lambda text: plural(spell_whole(text)), "ratio": lambda text: " to ".join(text.split(":")),
    "roman": lambda text: spell_number(roman(text)), "roman_ordinal": lambda text: spell_ordinal(roman(text)),
    "telephone": _telephone, "units": lambda text: _many(WORDS["unit"][text.lower()]),
    "version": lambda text: " point ".join(map(spell_whole, text.split("."))), "whole": spell_whole, "year": _year,
}  # fmt: skip
_FUNCTIONS = (net_address, date_with_slashes, month_and_day, clock, season, money, quantity, inches, power, title, fraction)
RULES = read_rules(Path(__file__).with_suffix(".tsv"), WORDS, FORMS, _FUNCTIONS)
