"""Rules that turn written English into words, in the order of `RULES`; each sees the text that the one before left.

The text comes in with its capitals (they tell `Dr. Brown` from `Elm Dr.`), and with plain apostrophes, hyphens and full stops.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import Match

from ctaplib.data.english_words import (
    ABBREVIATIONS,
    ALONE,
    ALWAYS_TITLES,
    BARE_TITLES,
    BEFORE_NUMBERS,
    DAYS,
    DOTTED,
    INITIALISMS,
    MONEY,
    MONTHS,
    NUMBERED,
    RULERS,
    SCALES,
    SHORT_MONTHS,
    TITLES,
    UNCOUNTED,
    UNITS,
    UTTERED,
)
from ctaplib.data.numerals_english import (
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

Rule = tuple[re.Pattern[str], Callable[[Match[str]], str]]
NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_I = re.IGNORECASE


def _letters(text: str) -> str:
    return " ".join(c.lower() for c in text if c.isalpha())


# --- dates and times

_MONTH = "|".join([*MONTHS, *(rf"{m.capitalize()}\.?" for m in SHORT_MONTHS)])
_MONTH_ANY_CASE = "|".join([*(m for m in MONTHS if m not in {"May", "March"}), *(rf"{m}\." for m in SHORT_MONTHS)])
_MONTHS = rf"(?:(?:{_MONTH}|MAY|MARCH)|(?i:{_MONTH_ANY_CASE}))"


def _month(text: str) -> str:
    key = text.lower().rstrip(".")
    return (MONTHS[SHORT_MONTHS[key] - 1] if key in SHORT_MONTHS else key).lower()


def _year(text: str | None) -> str:
    return f" {spell_year(int(text))}" if text else ""


def _month_first(match: Match[str]) -> str:
    if not 1 <= int(match["day"]) <= 31:
        return match[0]
    last = f" to {spell_ordinal(int(match['last']))}" if match["last"] else ""
    return f"{_month(match['month'])} {spell_ordinal(int(match['day']))}{last}{_year(match['year'])} "


def _day_first(match: Match[str]) -> str:
    if not 1 <= int(match["day"]) <= 31:
        return match[0]
    return f"{match['the'] or 'the '}{spell_ordinal(int(match['day']))} of {_month(match['month'])}{_year(match['year'])} "


def _slashes(match: Match[str]) -> str:
    month, day = int(match[1]), int(match[2])
    if month > 12 >= day:
        month, day = day, month
    return (
        f"{MONTHS[month - 1].lower()} {spell_ordinal(day)}{_year(match[3])} " if 1 <= month <= 12 and 1 <= day <= 31 else match[0]
    )


def _iso(match: Match[str]) -> str:
    year, month, day = match.groups()
    return f"{MONTHS[int(month) - 1].lower()} {spell_ordinal(int(day))}{_year(year)} "


def _clock(match: Match[str]) -> str:
    hour, minute, half = int(match["hour"]), int(match["minute"]), match["half"]
    if hour > 24 or minute > 59:
        return match[0]
    if half:
        ending = f" {half[0].lower()} m "
        return f"{spell_number(hour)} {spell_pair(minute)}{ending}" if minute else f"{spell_number(hour)}{ending}"
    if minute:
        return f"{spell_number(hour)} {spell_pair(minute)}"
    return f"{spell_number(hour)} o'clock" if 1 <= hour <= 12 else f"{spell_number(hour)} hundred"


# --- money, telephone numbers, quantities


def _money(match: Match[str]) -> str:
    one, many, cent, cents = MONEY[match["sign"] or match["after"]]
    amount, scale = (match["amount"] or match["before"]).replace(",", ""), match["scale"]
    nation = f"{_letters(match['nation'])} " if match["nation"] else ""
    beside = bool(match["article"]) and re.match(r"[\s-]+[a-z]", match.string[match.end() :]) is not None
    head = match["article"] or ""
    if match["last"]:
        scaled = f"{SCALES[scale.lower()]} " if scale else ""
        return f"{head}{spell_decimal(amount)} to {spell_decimal(match['last'])} {scaled}{nation}{many} "
    if scale:
        return f"{head}{spell_decimal(amount)} {SCALES[scale.lower()]} {nation}{one if beside else many} "
    whole, _, fraction = amount.partition(".")
    if fraction and (len(fraction) != 2 or not cent):
        return f"{head}{spell_decimal(amount)} {nation}{many} "
    units, small = int(whole or 0), int(fraction or 0)
    parts = [f"{spell_number(units)} {nation}{one if units == 1 or beside else many}"] if units or not small else []
    if small:
        parts.append(f"{spell_number(small)} {cent if small == 1 else cents}")
    return f"{head}{' and '.join(parts)} "


def _telephone(match: Match[str]) -> str:
    return f" {'plus ' if '+' in match[0] else ''}{spell_digits(match[0])} "


def _unit(match: Match[str]) -> str:
    if match["unit"] in {"G", "M", "L", "T"}:  # 5G, 3M: names, no grams or metres
        return match[0]
    name = UNITS[match["unit"].lower().replace("²", "")]
    number = match["number"].replace(",", "")
    first, *rest = name.split()
    beside = (bool(match["article"]) and re.match(r"\s+[a-z]", match.string[match.end() :]) is not None) or match["hyphen"]
    if number != "1" and not beside and name not in UNCOUNTED:
        if rest and rest[0] not in {"per", "celsius", "fahrenheit"}:
            rest[-1] = "feet" if rest[-1] == "foot" else rest[-1] + "s"
        else:
            first = "feet" if first == "foot" else plural(first) if first.endswith("y") else first + "s"
    return f"{match['article'] or ''}{match['number']} {' '.join([first, *rest])} "


_UNIT_NAMES = "|".join(sorted((re.escape(u) for u in UNITS), key=len, reverse=True))


def _magnitude(match: Match[str]) -> str:
    return f"{match[1]} {SCALES[match[2].lower()]} "


# --- names, abbreviations, initialisms


def _title(match: Match[str]) -> str:
    word, dot = match["word"].lower(), match["dot"]
    rest, before = match.string[match.end() :], match.string[: match.start()]
    named = re.match(r"\s*[A-Z]", rest) is not None
    if word in {"st", "dr"} and not named and re.search(r"[A-Z][\w']*\s+$", before):
        return "street " if word == "st" else "drive "
    if not dot and not (word in BARE_TITLES and named and match["word"][0].isupper()) and word not in {"jr", "sr"}:
        return match[0]
    if word not in ALWAYS_TITLES and not named:
        return match[0]
    if word in {"jr", "sr"} and not (dot or re.search(r"[A-Z][\w']*,?\s+$", before)):
        return match[0]
    return TITLES[word] + " "


def _initials(match: Match[str]) -> str:
    word = match["word"]
    if word in INITIALISMS or word in {"NY", "TY"} or not (re.search("[AEIOUY]", word) or word in UTTERED):
        many = "'s" if match["many"] else ""
        return f" {_letters(word)}{many} "
    return match[0]


def _monarch(match: Match[str]) -> str:
    value = roman(match[2])
    return f"{match[1]} the {spell_ordinal(value)}" if value else match[0]


def _part(match: Match[str]) -> str:
    value = roman(match[2])
    return f"{match[1]} {spell_number(value)}" if value else match[0]


# --- plain numbers


def _range(match: Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


def _fraction(match: Match[str]) -> str:
    whole, top, bottom = match["whole"], int(match["top"]), int(match["bottom"])
    if not 2 <= bottom <= 100 or top >= bottom:
        return f"{match['whole'] or ''} {match['top']} slash {match['bottom']} "
    said = spell_fraction(top, bottom)
    if not whole:
        return f" {said} "
    return f"{spell_decimal(whole)} and {'a half' if said == 'one half' else said} "


def _ordinal(match: Match[str]) -> str:
    return f" {spell_ordinal(int(match[1].replace(',', '')))} "


def _decade(match: Match[str]) -> str:
    number = int(match[1])
    return f" {plural(spell_year(number) if len(match[1]) == 4 else spell_number(number))} "


def _points(match: Match[str]) -> str:
    return f" {' point '.join(spell_whole(part) for part in match[0].split('.'))} "


def _called(match: Match[str]) -> str:
    return f"{match[1]} {spell_digits(match[2])}"


def _room(match: Match[str]) -> str:
    return f"{match[1]} {spell_room(int(match[2]))}"


def _early_year(match: Match[str]) -> str:
    return f"{match[1]} {spell_year(int(match[2]))}"


def _plain(match: Match[str]) -> str:
    text = match[0]
    if len(text) == 4 and text.isdigit() and 1100 <= int(text) < 2100:
        return f" {spell_year(int(text))} "
    return f" {spell_decimal(text)} "


def _say(word: str) -> Callable[[Match[str]], str]:
    return lambda match: f" {word} "


def _rule(pattern: str, say: Callable[[Match[str]], str], flags: int = 0) -> Rule:
    return re.compile(pattern, flags), say


_SIGN = r"[$£€¥]"
_SCALE = r"(?:\s?(?P<scale>(?i:thousand|million|billion|trillion|bn|mn|tn)\b|[kKmMbB]\b))?"
RULES = [
    _rule(r"(?<![\d/-])(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\d-])", _iso),
    _rule(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])", _slashes),
    _rule(
        rf"\b(?P<month>{_MONTHS})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:-(?P<last>\d{{1,2}}))?(?:,?\s+(?P<year>[12]\d{{3}})\b"
        rf"(?!,\d))?(?![\d:%]|[.,]\d)",
        _month_first,
    ),
    _rule(
        rf"(?P<the>\b[Tt]he\s+)?\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<month>{_MONTHS})(?![\w])(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _day_first,
    ),
    _rule(rf"\b({_MONTHS})\s+(?=[12]\d{{3}}\b)", lambda m: _month(m[1]) + " "),
    _rule(r"\b(?:" + "|".join(f"{m.capitalize()}" for m in SHORT_MONTHS) + r")\.", lambda m: _month(m[0]) + " "),
    _rule(r"\b(?:" + "|".join(d.capitalize() for d in DAYS) + r")\.", lambda m: DAYS[m[0].lower().rstrip(".")] + " "),
    _rule(r"(?<=\d:\d\d)\s?-\s?(?=\d{1,2}:\d\d)", _say("to")),
    _rule(r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?![\d:])(?:\s?(?P<half>[ap]\.?m\b\.?))?", _clock, _I),
    _rule(r"(?<=\d)(\s?[ap]\.?m\b\.?)\s?-\s?(?=\d{1,2}\s?[ap]\.?m\b)", lambda m: f"{m[1]} to ", _I),
    _rule(r"(?<=\d)\s?([ap])\.?m\b\.?", lambda m: f" {m[1].lower()} m ", _I),
    _rule(
        r"(?<![\w+-])(?:\+?1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"
        r"|\+\d{1,3}(?:[ -]\d{2,4}){2,4}(?!\w)|(?<!\w)0\d{2,4}(?:[ -]\d{3,4}){2}(?!\w)|(?<![\w-])\d+(?:-\d+){3,}(?![\w-])",
        _telephone,
    ),
    _rule(
        rf"(?P<article>\ban?\s)?(?<![\w])(?P<nation>US|AU|CA|HK)?(?:(?P<sign>{_SIGN})\s?(?P<amount>{NUMBER})"
        rf"(?:-{_SIGN}?(?P<last>{NUMBER}))?{_SCALE}|(?P<before>{NUMBER})\s?(?P<after>[€¢£]))(?!\w)",
        _money,
    ),
    _rule(r"(?<!\w)(\d)'\s?(\d{1,2})\"", lambda m: f"{m[1]} feet {m[2]} inches "),
    _rule(r"(?<=\d)\s?(k?m|ft)2(?!\w)", lambda m: f" sq{m[1]}"),
    _rule(
        rf"(?<=\d)(\s?(?:{_UNIT_NAMES}))/(?=(?:day|hour|week|month|year|minute|second|person|night)\b)", lambda m: f"{m[1]} per "
    ),
    _rule(
        rf"(?P<article>\ban?\s)?(?<![\w.])(?P<number>{NUMBER})(?:\s|(?P<hyphen>-))?(?P<unit>(?i:km/h|kmh|{_UNIT_NAMES}))(?![\w'/])"
        r"(?:\.(?=\s+[a-z]|$))?",
        _unit,
    ),
    _rule(r"(?<!\w)(\d+(?:\.\d+)?(?=[^B])|\d+\.\d+)(bn|mn|tn|k|M|B)\b", _magnitude),
    _rule(rf"\b((?i:{NUMBERED}))\s+([IVXLC]{{2,}})(?!\w)(?!')", _part),
    _rule(rf"\b((?:{'|'.join(w.capitalize() for w in ALONE.split('|'))}|World War)) ([IVX])(?!\w)(?!')", _part),
    _rule(rf"\b((?i:{RULERS}))\s+([IVX]{{2,}}|[VX](?!\.\s+[A-Z]))(?!\w)", _monarch),
    _rule(r"(?<![\w.])(?:" + "|".join(re.escape(d) for d in DOTTED) + r")(?!\w)", lambda m: f" {DOTTED[m[0].lower()]} ", _I),
    _rule(rf"\b({'|'.join(BEFORE_NUMBERS)})\.\s*(?=\d)", lambda m: f"{BEFORE_NUMBERS[m[1].lower()]} ", _I),
    _rule(rf"(?<![\w'])(?P<word>{'|'.join(TITLES)})\b(?P<dot>\.)?(?!['\w])", _title, _I),
    _rule(rf"(?<![\w'])({'|'.join(ABBREVIATIONS)})\.(?!\w)", lambda m: f"{ABBREVIATIONS[m[1].lower()]} ", _I),
    _rule(r"(?<![\w.])((?:[A-Za-z]\.){2,}(?:[A-Za-z](?!\w))?)('s\b)?", lambda m: f" {_letters(m[1])}{m[2] or ''} "),
    _rule(r"(?<!\w)([A-Z]{1,2})&([A-Z]{1,2})(?!\w)", lambda m: f" {_letters(m[1])} and {_letters(m[2])} "),
]
CAPITALS = [
    _rule(r"(?<![\w'])(?P<word>[A-Z]{2,5})(?P<many>'?s)?(?!\w)(?!'\w)", _initials),
    _rule(r"(?<!\w)[A-Z]{2,3}(?=-?\d)", lambda m: f" {_letters(m[0])} "),
    _rule(r"(?<=\d)[A-Z]{2,3}(?!\w)", lambda m: f" {_letters(m[0])} "),
]
NUMBERS = [
    _rule(r"(?<!\w)24/7(?!\w)", _say("twenty four seven")),
    _rule(r"(?<!\w)9/11(?!\w)", _say("nine eleven")),
    _rule(r"(?<![\w/])(\d{1,3})/\1(?![\w/])", lambda m: f" {spell_number(int(m[1]))} {spell_number(int(m[1]))} "),
    _rule(r"\b(call|dial|called|dialed|dialled|calling)\s+(\d{3})(?!\w)", _called, _I),
    _rule(r"\b(boeing|airbus|flight|room|suite|highway|apartment|apt|bus|area)\s+(\d{3})(?!\w)", _room, _I),
    _rule(r"\b(in|since|of|from|until|till|before|after|by|year|around)\s+(10[1-9]\d)(?![\w,.]\d|\w)", _early_year, _I),
    _rule(
        r"(?:(?P<whole>(?<![\w.,/])\d+)\s+)?(?<![\w.,/])(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?:ths?|rds?|nds?)?(?![\w/]|[.,]\d)",
        _fraction,
    ),
    _rule(r"(?<!\w)(\d{1,3}(?:,\d{3})+|\d{1,15})-?(?:st|nd|rd|th)(?!\w)", _ordinal, _I),
    _rule(r"(?<!\w)'?(\d{2}|\d{3}0|\d0)'?s(?!\w)", _decade),
    _rule(r"(?<!\w)(\d+)'?s(?!\w)", lambda m: f" {plural(spell_whole(m[1]))} "),
    _rule(r"(?<![\w.])(\d[\d,.]*%?)\s?-\s?(?=[.\d])(\d[\d,.]*%?)(?![\w-])", _range),
    _rule(r"(?<![\w.,)%'])-(?=\.?\d)", _say("minus")),
    _rule(r"(?<=\d)\s?x\s?(?=\d)", _say("by")),
    _rule(r"(?<=\b[A-G])#(?!\w)", _say("sharp")),
    _rule(r"#(?=\d)", _say("number")),
    _rule(r"#(?=[A-Za-z])", _say("hashtag")),
    _rule(r"~(?=\d)", _say("about")),
    _rule(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", _points),
    _rule(r"(?<=[A-Za-z'])(?=\d)|(?<=\d)(?=[A-Za-z'])", _say("")),
    _rule(r"(?<![\w.])\.\d+(?!\w)", _plain),
    _rule(r"(?<!\w)(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", _plain),
]


def apply(rules: Sequence[Rule], text: str) -> str:
    """Apply rules one after the other."""
    for pattern, say in rules:
        text = pattern.sub(say, text)
    return text
