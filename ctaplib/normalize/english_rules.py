"""Rules that turn written English into words, in the order MARKS, (dates, quantities), NAMES, CAPITALS, NUMBERS.

Each is applied to the result of the one before. The text still has its capitals (they tell `Dr. Brown` from `Elm Dr.`), and
plain apostrophes, hyphens and full stops.
"""

import re
from re import Match

from ctaplib.normalize import english_words as table
from ctaplib.normalize.english_base import ANY_CASE, pronounceable, spell_letters, spoken
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
from ctaplib.normalize.rules import Rule

APOSTROPHE_S = "'s"

# --- names, abbreviations, initialisms


def _title(match: Match[str]) -> str:
    word, dot = match["word"].lower(), match["dot"]
    rest, before = match.string[match.end() :], match.string[: match.start()]
    named = re.match(r"\s*[A-Z]", rest) is not None
    if word in {"st", "dr"} and not named and re.search(r"(?:[A-Z][\w']*|\d(?:st|nd|rd|th))\s+$", before):
        return "street " if word == "st" else "drive "
    if not dot and not (word in table.BARE_TITLES and named and match["word"][0].isupper()) and word not in {"jr", "sr"}:
        return match[0]
    if word not in table.PLAIN_TITLES and not named and not re.search(r"\b(?:Lt|Maj|Brig|Vice)\.?\s+$", before):
        return match[0]
    if word in {"jr", "sr"} and not (dot or re.search(r"[A-Z][\w']*,?\s+$", before)):
        return match[0]
    return table.TITLES[word] + " "


def _initials(match: Match[str]) -> str:
    word = match["word"]
    if word in table.INITIALISMS or word in {"NY", "TY"} or not (pronounceable(word.lower()) or word in table.INTERJECTIONS):
        many = "'s" if match["many"] else ""
        return f" {spell_letters(word)}{many} "
    return match[0]


def _monarch(match: Match[str]) -> str:
    value = roman(match[2])
    return f"{match[1]} the {spell_ordinal(value)}" if value else match[0]


def _part(match: Match[str]) -> str:
    value = roman(match[2])
    return f"{match[1]} {spell_number(value)}" if value else match[0]


def _parts(match: Match[str]) -> str:
    first, last = roman(match[2]), roman(match[4])
    return f"{match[1]} {spell_number(first)} {match[3]} {spell_number(last)}" if first and last else match[0]


def _formula(match: Match[str]) -> str:
    many = match["many"] or ""
    return f" {spell_letters(match[0].removesuffix(many))}{many and APOSTROPHE_S} "


# --- plain numbers


def _fraction(match: Match[str]) -> str:
    whole, top, bottom = match["whole"], int(match["top"]), int(match["bottom"])
    if not 2 <= bottom <= 100 or top >= bottom:
        return f"{match['whole'] or ''} {match['top']} slash {match['bottom']} "
    words = spell_fraction(top, bottom)
    if not whole:
        return f" {words} "
    return f"{spell_decimal(whole)} and {'a half' if words == 'one half' else words} "


def _decade(match: Match[str]) -> str:
    number = int(match[1])
    return f" {plural(spell_year(number) if len(match[1]) == 4 else spell_number(number))} "


def _year_alone(match: Match[str]) -> str:
    """Read `2020's` as the possessive of a year; decades before 2000 are left to the rule of decades."""
    year = int(match[1])
    return match[0] if year % 10 == 0 and year < 2000 else f" {spell_year(year)}'s"


def _people(match: Match[str]) -> str:
    words = spell_number(int(match[1]))
    return f" {words}{'rs' if words.endswith('e') else 'ers'} "


def _dialled(match: Match[str]) -> str:
    return f"{match[1]} {spell_digits(match[2])}"


def _plain(match: Match[str]) -> str:
    text = match[0]
    if len(text) == 4 and text.isdigit() and 1100 <= int(text) < 2100:
        return f" {spell_year(int(text))} "
    return f" {spell_decimal(text)} "


_NUMBERED = "|".join(map(re.escape, table.NUMBERED))
MARKS = [
    Rule(r"(?m)^\s*[•*·-]\s+", spoken("")),
    Rule(r"(?<![\w*])\*+(?=[\w'\"])([^*\n]+?)(?<=[\w.,!?'\"])\*+(?![\w*])", lambda m: m[1]),
    Rule(r"(?<!\w)_+(?=[^\W_])([^_\n]+?)_+(?!\w)", lambda m: m[1]),
]
"""Marks of lists and of emphasis."""
NAMES = [
    Rule(r"\b([A-Z]{2})\s+(\d{5})(?:-(\d{4}))?(?!\w)", lambda m: f"{spell_letters(m[1])} {spell_digits(m[2] + (m[3] or ''))}"),
    Rule(rf"(?<=[,-])(\s?)({'|'.join(table.STATES)})\.(?=[,)]|\s+[a-z]|\s*$)", lambda m: f"{m[1] or ' '}{table.STATES[m[2]]} "),
    Rule(r"\b([A-Z][A-Za-z]+) ([IVX]+) (and|or|to) ([IVX]{2,})(?!\w)", _parts),
    Rule(rf"\b((?i:{_NUMBERED}))\s+([IVXLC]{{2,}})(?!\w)(?!')", _part),
    Rule(rf"\b((?:{'|'.join(map(str.capitalize, table.ONE_LETTER_NUMERAL))}|World War)) ([IVX])(?!\w)(?!')", _part),
    Rule(rf"\b((?i:{'|'.join(table.RULERS)}))\s+([IVX]{{2,}}|[VX](?!\.\s+[A-Z]))(?!\w)", _monarch),
    Rule(rf"\b((?i:{_NUMBERED}))\s+([ivx]{{2,}})(?!\w)(?!')", _part),
    Rule(r"\b((?!The\b|And\b|But\b|For\b|His\b|Her\b|This\b|With\b)[A-Z][a-z]{2,}) ([IVX]{2,})(?!\w)(?!')", _part),
    Rule(
        r"(?<![\w.])(?:" + "|".join(re.escape(d) for d in table.DOTTED) + r")(?!\w)",
        lambda m: f" {table.DOTTED[m[0].lower()]} ",
        ANY_CASE,
    ),
    Rule(rf"\b({'|'.join(table.BEFORE_NUMBERS)})\.\s*(?=\d)", lambda m: f"{table.BEFORE_NUMBERS[m[1].lower()]} ", ANY_CASE),
    Rule(rf"(?<![\w'])(?P<word>{'|'.join(table.TITLES)})\b(?P<dot>\.)?(?!['\w])", _title, ANY_CASE),
    Rule(rf"(?<![\w'])({'|'.join(table.ABBREVIATIONS)})\.(?!\w)", lambda m: f"{table.ABBREVIATIONS[m[1].lower()]} ", ANY_CASE),
    Rule(r"(?<![\w.])((?:[A-Za-z]\.){2,}(?:[A-Za-z](?!\w))?)('s\b)?", lambda m: f" {spell_letters(m[1])}{m[2] or ''} "),
    Rule(r"(?<!\w)([A-Z]{1,2})&([A-Z]{1,2})(?!\w)", lambda m: f" {spell_letters(m[1])} and {spell_letters(m[2])} "),
    Rule(r"\band/or\b", spoken("and or"), ANY_CASE),
    Rule(r"(?<=[A-Z])/(?=[A-Z])", spoken("")),
]
CAPITALS = [
    Rule(
        r"(?<!\w)(?:p[HO]\b|NaCl|(?=[A-Z]*[a-z])(?:[B-DF-HJ-NP-TV-Z][b-df-hj-np-rtv-xz]?|(?<=[BM])S(?=c)){2,4}|[a-z][A-Z]{3})(?P<many>'?s)?(?!\w)",
        _formula,
    ),
    Rule(r"\b(an|the|in|our|their|his|her|my|your) IT(?!\w|'\w)", lambda m: f"{m[1]} i t"),
    Rule(r"\b([Tt]he) WHO(?!\w)", lambda m: f"{m[1]} w h o"),
    Rule(r"(?<![\w'])(?P<word>[A-Z]{2,5})(?P<many>'?s)?(?!\w)(?!'\w)(?!-\d)", _initials),
    Rule(r"(?<![A-Za-z])([A-Z]{2,3})-?(?=\d)", lambda m: f" {spell_letters(m[1])} "),
    Rule(r"(?<=\d)[A-Z]{2,3}(?!\w)", lambda m: f" {spell_letters(m[0])} "),
]
NUMBERS = [
    Rule(r"(?<!\w)24/7(?!\w)", spoken("twenty four seven")),
    Rule(r"(?<!\w)9/11(?!\w)", spoken("nine eleven")),
    Rule(r"(?<![\w.,$/-])911(?![\w/-]|[.,]\d|\s?%)", spoken("nine one one")),
    Rule(r"(?<=\d/\d)-(?=\d/\d)", spoken("to")),
    Rule(r"(?<![\w/])(\d{1,3})/\1(?![\w/])", lambda m: f" {spell_number(int(m[1]))} {spell_number(int(m[1]))} "),
    Rule(r"\b((?:call|dial|called|dialed|dialled|calling)(?:\s+\d{3}\s+or)?)\s+(\d{3})(?!\w)", _dialled, ANY_CASE),
    Rule(r"\b(call|dial|called|dialed|dialled|calling)\s+(\d{3})(?!\w)", _dialled, ANY_CASE),
    Rule(r"(?<=\d )[b-df-hj-np-tv-xz]{2,4}(?!\w)(?!')(?<!ft)(?<!th)", lambda m: " ".join(m[0])),
    Rule(
        r"\b(boeing|airbus|flight|room|suite|highway|apartment|apt|bus|area)\s+(\d{3})(?!\w)",
        lambda m: f"{m[1]} {spell_room(int(m[2]))}",
        ANY_CASE,
    ),
    Rule(
        r"\b(in|since|of|from|until|till|before|after|by|year|around)\s+(10[1-9]\d)(?![\w,.]\d|\w)",
        lambda m: f"{m[1]} {spell_year(int(m[2]))}",
        ANY_CASE,
    ),
    Rule(
        r"(?:(?P<whole>(?<![\w.,/-])\d+)(?:\s+|-))?(?<![\w.,/])(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?:ths?|rds?|nds?)?(?![\w/]|[.,]\d)",
        _fraction,
    ),
    Rule(
        r"(?<!\w)(\d{1,3}(?:,\d{3})+|\d{1,15})-?(?:st|nd|rd|th)(?!\w)",
        lambda m: f" {spell_ordinal(int(m[1].replace(',', '')))} ",
        ANY_CASE,
    ),
    Rule(r"(?<![\w'])(\d{2})ers(?!\w)", _people),
    Rule(r"(?<!\bthe )(?<!\w)(?<!\bearly )(?<!\blate )(?<!\bmid-)([12]\d{3})'s(?=\s+[a-z])", _year_alone, ANY_CASE),
    Rule(r"(?<!\w)'(\d{2})(?![\w'])", lambda m: f" {spell_pair(int(m[1]))} "),
    Rule(r"(?<![\w.])'?(\d{2}|\d{3}0|\d0)'?s(?!\w)", _decade),
    Rule(r"(?<!\w)(\d+)'?s(?!\w)", lambda m: f" {plural(spell_whole(m[1]))} "),
    Rule(r"(?<![\w-])(20|50)-\1(?![\w-])", lambda m: f"{m[1]} {m[1]}"),
    Rule(r"(?<![\w.])(?<!\d-)(\d[\d,.]*%?)\s?-\s?(?=[.\d])(\d[\d,.]*%?)(?!-?\d|[A-Za-z]{2})", lambda m: f"{m[1]} to {m[2]}"),
    Rule(r"(?<![\w.,)%'])-(?=\.?\d)", spoken("minus")),
    Rule(r"(?<=\d)\s?x\s?(?=\d)", spoken("by")),
    Rule(r"(?<=\d)\s?\*\s?(?=\d)|(?<=\b[A-Za-z])\s?\*\s?(?=[A-Za-z]\b)", spoken("times")),
    Rule(
        r"(?<=(?:ents|lars|ound|unds|uros|onds|rams|ters)\s)/(?=[a-z]+\b)|(?<=(?:ents|lars|unds|uros))/(?=[a-z]+\b)",
        spoken("per"),
    ),
    Rule(rf"(?<=[a-z])/({'|'.join(table.PER_AFTER_WORD)})\b", lambda m: f" per {table.PER_UNIT.get(m[1]) or table.UNITS[m[1]]}"),
    Rule(r"(?<=\w)\s?/\s?(?=\w)", spoken("slash")),
    Rule(r"(?<=[\w:])\\(?=\w)", spoken("backslash")),
    Rule(r"(?<=\w)_(?=\w)", spoken("underscore")),
    Rule(r"(?<=\b[A-G])#(?!\w)", spoken("sharp")),
    Rule(r"#(?=\d)", spoken("number")),
    Rule(r"#(?=[A-Za-z])", spoken("hashtag")),
    Rule(r"~(?=\d)", spoken("about")),
    Rule(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", lambda m: f" {' point '.join(map(spell_whole, m[0].split('.')))} "),
    Rule(r"(?<=[A-Za-z'])(?=\d)|(?<=\d)(?=[A-Za-z'])", spoken("")),
    Rule(r"(?<![\w.])\.\d+(?!\w)", _plain),
    Rule(r"(?<![\w.,])(\d+),(\d{1,2})(?![\w,]|\.\d)", lambda m: f" {spell_decimal(f'{m[1]}.{m[2]}')} "),
    Rule(r"(?<!\w)(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", _plain),
]
