"""Rules of written English for dates, times and ratios; they are applied first, after those of addresses."""

from re import Match

from ctaplib.normalize.english_base import ANY_CASE, spoken
from ctaplib.normalize.english_numerals import spell_digits, spell_number, spell_ordinal, spell_pair, spell_year
from ctaplib.normalize.english_words import DAYS, MONTHS, SHORT_MONTHS
from ctaplib.normalize.rules import DENOMINATORS, Rule

_MONTH = "|".join([*map(str.capitalize, MONTHS), *(rf"{m.capitalize()}\.?" for m in SHORT_MONTHS)])
_MONTH_ANY_CASE = "|".join([*(m for m in MONTHS if m not in {"may", "march"}), *(rf"{m}\." for m in SHORT_MONTHS)])
_MONTHS = rf"(?:(?:{_MONTH}|MAY|MARCH)|(?i:{_MONTH_ANY_CASE}))"
_WEEKDAYS = "|".join(["Sunday|Saturday|Sun|Sat", *(d.capitalize() for d in DAYS), *(d.capitalize() for d in DAYS.values())])
_ENDS = {**DAYS, "sat": "saturday", "sun": "sunday"}
_CENTURY = 50
"""Years of two digits from here on are 19xx, those below 20xx."""


def _month(text: str) -> str:
    key = text.lower().rstrip(".")
    return SHORT_MONTHS.get(key, key)


def _year(text: str | None) -> str:
    if not text:
        return ""
    year = int(text)
    return f" {spell_year(year if len(text) > 2 else year + (1900 if year >= _CENTURY else 2000))}"


def _month_first(match: Match[str]) -> str:
    if not 1 <= int(match["day"]) <= 31:
        return match[0]
    last = f" to {spell_ordinal(int(match['last']))}" if match["last"] else ""
    return f"{_month(match['month'])} {spell_ordinal(int(match['day']))}{last}{_year(match['year'])} "


def _day_first(match: Match[str]) -> str:
    if not 1 <= int(match["day"]) <= 31:
        return match[0]
    last = f" to {spell_ordinal(int(match['last']))}" if match["last"] else ""
    day = f"{match['the'] or 'the '}{spell_ordinal(int(match['day']))}{last}"
    return f"{day} of {_month(match['month'])}{_year(match['year'])} "


def _slashes(match: Match[str]) -> str:
    month, day = int(match[1]), int(match[2])
    if month > 12 >= day:
        month, day = day, month
    return f"{MONTHS[month - 1]} {spell_ordinal(day)}{_year(match[3])} " if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _month_and_day(match: Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31) or not (match["before"] or (day not in DENOMINATORS and month < day)):
        return match[0]
    return f"{match['before'] or ''}{MONTHS[month - 1]} {spell_ordinal(day)} "


def _iso(match: Match[str]) -> str:
    year, month, day = match.groups()
    return f"{MONTHS[int(month) - 1]} {spell_ordinal(int(day))}{_year(year)} "


def _clock(match: Match[str]) -> str:
    hour, minute, half = int(match["hour"]), int(match["minute"]), match["half"]
    if hour > 24 or minute > 59:
        return f"{spell_number(hour)} to {spell_number(minute)}"
    ending = f" {half[0].lower()} m " if half else ""
    if match["second"]:
        return f"{spell_number(hour)} {spell_pair(minute)} {spell_pair(int(match['second']))}{ending}"
    if half:
        return f"{spell_number(hour)} {spell_pair(minute)}{ending}" if minute else f"{spell_number(hour)}{ending}"
    if minute:
        return f"{spell_number(hour)} {spell_pair(minute)}"
    return f"{spell_number(hour)} o'clock" if 1 <= hour <= 12 else f"{spell_number(hour)} hundred"


def _season(match: Match[str]) -> str:
    first, last = int(match[1]), int(match[2])
    return f"{spell_year(first)} to {spell_pair(last)} " if first % 100 < last or last == 0 else match[0]


DATES = [
    Rule(r"(?<=\d\d\d\d-\d\d-\d\d)T(?=\d\d:\d\d)", spoken("")),
    Rule(r"(?<![\d/-])(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\d-])", _iso),
    Rule(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\d/])", _slashes),
    Rule(
        r"(?P<before>\b(?:on|until|till|since|due|dated|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?)\s)?"
        r"(?<![\w/.,-])(?!9/11)(?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\w/'-]|[.,]\d|\s?%|\s(?:of|an?|the|cup|inch|mile|hour|teaspoon|tablespoon|pound)\b)",
        _month_and_day,
        ANY_CASE,
    ),
    Rule(rf"(?<=\d)\s?-\s?(?=(?:{_MONTHS})\s\d)", spoken("to")),
    Rule(
        rf"\b(?P<month>{_MONTHS})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s?-\s?(?P<last>\d{{1,2}})(?:st|nd|rd|th)?)?"
        r"(?:,?\s+(?P<year>[12]\d{3})\b(?!,\d))?(?![\d:%]|[.,]\d)",
        _month_first,
    ),
    Rule(
        r"(?P<the>\b[Tt]he\s+)?\b(?<![-/])(?P<day>\d{1,2})(?:st|nd|rd|th)?(?:-(?P<last>\d{1,2})(?:st|nd|rd|th)?)?"
        rf"\s+(?P<month>{_MONTHS})(?![\w])(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _day_first,
    ),
    Rule(rf"\b({_MONTHS})\s?-\s?(?={_MONTHS}(?!\w))", lambda m: f"{_month(m[1])} to "),
    Rule(rf"\b({_MONTHS})\s+(?=[12]\d{{3}}\b)", lambda m: _month(m[1]) + " "),
    Rule(r"\b(?:" + "|".join(f"{m.capitalize()}" for m in SHORT_MONTHS) + r")\.", lambda m: _month(m[0]) + " "),
    Rule(rf"\b({_WEEKDAYS})\.?\s?-\s?(?=(?:{_WEEKDAYS})\b)", lambda m: f"{_ENDS.get(m[1].lower(), m[1])} to "),
    Rule(rf"(?<= to )({'|'.join(d.capitalize() for d in _ENDS)})\b\.?", lambda m: _ENDS[m[1].lower()]),
    Rule(r"\b(?:" + "|".join(d.capitalize() for d in DAYS) + r")\.", lambda m: DAYS[m[0].lower().rstrip(".")] + " "),
    Rule(r"\b(Sat|Sun)\.(?=,|\s*\d|\s*$)", lambda m: _ENDS[m[1].lower()] + " "),
    Rule(r"(?<![\d.])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)", lambda m: f"{m[1]}:{m[2]}", ANY_CASE),
    Rule(r"(?<![\w-])([12]\d{3})-(\d{2})(?![\w-])", _season),
    Rule(
        r"(?<![\d:.])(\d{1,2}):([0-5]\d)\.(\d{1,3})(?!\d)",
        lambda m: f"{spell_number(int(m[1]))} {spell_pair(int(m[2]))} point {spell_digits(m[3])}",
    ),
    Rule(r"(?<![\d:.])\d+:\d(?![\d:]|\.\d)", lambda m: " to ".join(m[0].split(":"))),
    Rule(
        r"(?<=\bratio of )\d+(?:\.\d+)?(?::\d+)+|(?<=\bodds of )\d+:\d+|(?<=\bscale of )1:\d+"
        r"|(?<![\d:])\d+:\d+(?= (?:ratio|odds|scale|mixture|dilution|split))",
        lambda m: " to ".join(m[0].split(":")),
    ),
    Rule(r"(?<=\d:\d\d)\s?-\s?(?=\d{1,2}:\d\d)", spoken("to")),
    Rule(
        r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>[0-5]\d))?(?![\d:])(?:\s?(?P<half>[ap]\.?m\b\.?))?",
        _clock,
        ANY_CASE,
    ),
    Rule(r"(?<=\d)(\s?[ap]\.?m\b\.?)\s?-\s?(?=\d{1,2}\s?[ap]\.?m\b)", lambda m: f"{m[1]} to ", ANY_CASE),
    Rule(r"(?<=\d)\s?([ap])\.?m\b\.?", lambda m: f" {m[1].lower()} m ", ANY_CASE),
    Rule(r"(?<=\bm )\s*([ECMP][SD]T|GMT|UTC|BST)\b", lambda m: " ".join(m[1].lower())),
    Rule(r"\b(?P<era>A\.?D\.?|AD)\s+(?P<year>\d{3,4})(?!\w)", lambda m: f"a d {spell_year(int(m['year']))} "),
    Rule(
        r"(?<![\w.,])(?P<year>\d{4})\s+(?=(?:B\.?C\.?(?:E\.?)?|C\.?E\.?|A\.?D\.?)(?!\w))",
        lambda m: f"{spell_year(int(m['year']))} ",
    ),
]
"""Dates, years of an era, times, ratios."""
