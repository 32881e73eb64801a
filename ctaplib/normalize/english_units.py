"""Rules of written English for telephone numbers, money and quantities."""

import re
from re import Match

from ctaplib.normalize.english_base import ANY_CASE, NUMBER, spell_letters, spoken
from ctaplib.normalize.english_numerals import plural, spell_decimal, spell_digits, spell_number
from ctaplib.normalize.english_words import COUNTRIES, CROWDS, MONEY, PER_UNIT, SCALES, UNCOUNTED_UNITS, UNITS
from ctaplib.normalize.rules import Rule

_SIGN = r"[$£€¥]"
_SCALE = r"(?:(?:[\s-]?(?P<scale>(?i:thousand|million|billion|trillion|bn|mn|tn)\b)|\s?(?P<short>[kKmMbBT]\b)))?"
_UNIT_NAMES = "|".join(sorted((re.escape(u) for u in UNITS), key=len, reverse=True))
_STREETS = "St|Ave|Blvd|Rd|Dr|Ln|Way|Street|Avenue|Road|Drive|Boulevard|Lane"
_LARGE = "km|kg|lbs?|mi|ft|gal|oz|kW|MW|GW|eV|Hz|GB|TB"
_EACH = "|".join(sorted((re.escape(u) for u in {*PER_UNIT, *UNITS} if "/" not in u and u[0] != "°"), key=len, reverse=True))


def _money(match: Match[str]) -> str:
    one, many, *hundredth = MONEY[match["sign"] or match["after"]]
    amount, scale = (match["amount"] or match["before"]).replace(",", ""), match["scale"] or match["short"]
    country = f"{COUNTRIES.get(match['country']) or spell_letters(match['country'])} " if match["country"] else ""
    beside = bool(match["article"]) and re.match(r"[\s-]+[a-z]", match.string[match.end() :]) is not None
    head = match["article"] or ""
    if match["last"]:
        scaled = f"{SCALES[scale.lower()]} " if scale else ""
        return f"{head}{spell_decimal(amount)} to {spell_decimal(match['last'])} {scaled}{country}{many} "
    if scale:
        return f"{head}{spell_decimal(amount)} {SCALES[scale.lower()]} {country}{one if beside else many} "
    whole, _, fraction = amount.partition(".")
    if fraction and (len(fraction) != 2 or not hundredth):
        return f"{head}{spell_decimal(amount)} {country}{many} "
    units, small = int(whole or 0), int(fraction or 0)
    parts = [f"{spell_number(units)} {country}{one if units == 1 or beside else many}"] if units or not small else []
    if small:
        parts.append(f"{spell_number(small)} {hundredth[small != 1]}")
    return f"{head}{' and '.join(parts)} "


def _unit(match: Match[str]) -> str:
    unit = match["unit"]
    if unit in {"G", "M", "L", "T"} or re.fullmatch(r"[A-Z]{2,}s", unit):  # 5G, 3M, 40 HRs: names, no grams or metres
        return match[0]
    name = UNITS[unit.lower()]
    number = match["number"].replace(",", "")
    first, *rest = name.split()
    beside = (bool(match["article"]) and re.match(r"\s+[a-z]", match.string[match.end() :]) is not None) or match["hyphen"]
    if number != "1" and not beside and name not in UNCOUNTED_UNITS:
        if rest and rest[0] not in {"per", "celsius", "fahrenheit"}:
            rest[-1] = _many(rest[-1])
        else:
            first = _many(first)
    each = match["each"]
    if each:
        rest += ["per", _divisor(each)]
    return f"{match['article'] or ''}{match['number']} {' '.join([first, *rest])} "


def _many(name: str) -> str:
    return {"foot": "feet", "inch": "inches"}.get(name) or (plural(name) if name.endswith("y") else name + "s")


def _divisor(unit: str) -> str:
    return PER_UNIT.get(unit.lower()) or UNITS[unit.lower()]


def _power(match: Match[str]) -> str:
    sign, digits = match[1].strip("{}("), match[2]
    if not sign and digits in {"2", "3"}:
        return f" {'squared' if digits == '2' else 'cubed'} "
    return f" to the power of {'minus ' if sign else ''}{spell_decimal(digits)} "


def _side(match: Match[str]) -> str:
    return f"{match[1]}{ {'N': 'north', 'S': 'south', 'E': 'east', 'W': 'west'}[match[2]] } "


def _inches(match: Match[str]) -> str:
    return match[0] if match.string.count('"') % 2 == 0 else f"{match[1]} inches "


QUANTITIES = [
    Rule(r"(?<=\d)\s?[x×*]\s?10\^?(?=\^)", spoken("times ten")),
    Rule(r"(?<=\d)['\"]\s?x\s?(\d+)['\"]", lambda m: f" by {m[1]}"),
    Rule(r"(?<=\d)\s?x\s?(?=\d)", spoken("by")),
    Rule(
        r"(?<![\w+-])(?:\+?1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"
        r"|(?<!\w)\(0\d{2,4}\)(?:\s?\d{3,4}){1,2}(?!\w)"
        r"|\+\d{1,3}(?:[ -]\d{2,4}){2,4}(?!\w)|(?<!\w)0\d{2,4}(?:[ -]\d{3,4}){2}(?!\w)"
        r"|(?<![\w-])\d+(?:-\d+){3,}(?![\w-])",
        lambda m: f" {'plus ' if '+' in m[0] else ''}{spell_digits(m[0])} ",
    ),
    Rule(
        rf"({_SIGN}\s?(?:{NUMBER}))/({_EACH})(?!\w)\.?(?!\w)",
        lambda m: f"{m[1]} per {_divisor(m[2])} ",
    ),
    Rule(
        rf"(?P<article>\ban?\s)?(?<![\w])(?P<country>US|AU|CA|HK|NZ|[CAS](?=\$))?(?:(?P<sign>{_SIGN})\s?(?P<amount>{NUMBER})"
        rf"(?:\s?-\s?{_SIGN}?(?P<last>{NUMBER}))?{_SCALE}|(?P<before>{NUMBER})\s?(?P<after>[€¢£]))(?!\w)",
        _money,
    ),
    Rule(r"(?<!\w)(\d)'\s?(\d{1,2})\"", lambda m: f"{m[1]} feet {m[2]} inches "),
    Rule(r"(?<![\w.])(\d+(?:\.\d+)?)\"(?=[\s,.;)]|$)", _inches),
    Rule(r"(?<=\d)[\s-]?(sq|cu)(?:\.\s?|\s)(km|cm|mm|m|ft|in|mi|yd)\b\.?", lambda m: f" {m[1].lower()}{m[2].lower()} ", ANY_CASE),
    Rule(rf"(?<![\w.])(\d+(?:\.\d+)?)m(?=\s(?:{'|'.join(CROWDS)})\b)", lambda m: f"{m[1]} million "),
    Rule(
        r"(?<=\d)[\s-]?(km|cm|mm|m|ft|in|mi|yd)\^?([23])(?!\w)",
        lambda m: f" {'sq' if m[2] == '2' else 'cu'}{m[1].lower()} ",
        ANY_CASE,
    ),
    Rule(
        rf"(?<=\d)(\s?(?:{_UNIT_NAMES}))/(?=(?:day|hour|week|month|year|minute|second|person|night)\b)", lambda m: f"{m[1]} per "
    ),
    Rule(rf"(?<![\w.])((?:\d+\s+)?)([NSEW])\.?(?=\s+(?:\d+(?:st|nd|rd|th)\s+|(?:[A-Z][\w']+\s){{1,3}})(?:{_STREETS})\b)", _side),
    Rule(
        r"(?<=\d)\sin\.(?=\s+(?:in|on|during|over|per|of|x|by|long|wide|tall|deep|high|thick|in diameter|[a-z]+ing)\b|\s*$)",
        spoken("inches"),
    ),
    Rule(r"(?<=\d\.\d)(\d*)\s?s\b|(?<=\d) s\b(?!')", lambda m: f"{m[1] or ''} seconds "),
    Rule(
        rf"(?P<article>\ban?\s)?(?<![\w.])(?P<number>{NUMBER})(?:\s|(?P<hyphen>-))?(?P<unit>(?i:km/h|kmh|{_UNIT_NAMES}))"
        rf"(?:/(?P<each>(?i:{_EACH})))?(?![\w'/])(?:\.(?=\s+[a-z]|$))?",
        _unit,
    ),
    Rule(rf"(?<=illion )({_LARGE})(?!\w)|(?<=housand )({_LARGE})(?!\w)", lambda m: _many(UNITS[m[0].lower()])),
    Rule(r"(?<![\w.])3M(?!\w)(?!\s+[a-z]+s\b)", spoken("three m")),
    Rule(r"(?<!\w)(\d+(?:\.\d+)?(?=[^B])|\d+\.\d+)(bn|mn|tn|k|M|B)\b", lambda m: f"{m[1]} {SCALES[m[2].lower()]} "),
    Rule(r"(?<=[=+] )[b-df-hj-np-tv-xz]{2,3}(?=\^|\d?(?:\s|$|[.,]))", lambda m: " ".join(m[0])),
    Rule(r"(?<=[\w)])\s?\^\s?([-{(]{0,2})(\d+)[})]?", _power),
]
"""Telephone numbers, money, areas, units, directions in addresses, magnitudes, powers."""
