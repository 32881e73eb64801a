"""Normalisation rules for Mandarin (`mandarin_rules.tsv`), their words (`mandarin_words.tsv`) and spoken forms."""

import re
from pathlib import Path
from re import Match

from ctaplib.normalize.mandarin_numerals import spell_count, spell_decimal, spell_digits, spell_number, spell_telephone
from ctaplib.normalize.rules import DENOMINATORS, Form, read_rules
from ctaplib.normalize.tables import read_tables

WORDS = read_tables(Path(__file__).with_name("mandarin_words.tsv"))


def _up_to(highest: int) -> Form:
    """Return the form of a number from 1 to a highest one, without zeros before it."""

    def spell(text: str) -> str:
        if not 1 <= int(text) <= highest:
            raise ValueError(text)
        return spell_number(str(int(text)))

    return spell


_month, _day = _up_to(12), _up_to(31)


def net_address(match: Match[str]) -> str:
    """Read an address of mail or of the net; `https://` is dropped."""
    parts = re.findall(r"[A-Za-z]+|\d+|.", re.sub(r"^[a-z]+://", "", match[0]))
    signs = WORDS["web_sign"]
    return "".join(signs.get(p) or (spell_digits(p) if p.isdigit() else f" {' '.join(p) if p == 'www' else p} ") for p in parts)


def month_and_day(match: Match[str]) -> str:
    """Read `5/31` as a date where it can be no fraction."""
    month, day = int(match[1]), int(match[2])
    return match[0] if day in DENOMINATORS or day <= month else f"{_month(match[1])}月{_day(match[2])}日"


def clock(match: Match[str]) -> str:
    """Read a time of the day."""
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return match[0]
    spoken = f"{spell_count(str(hour))}点"
    if minute or second:
        spoken += f"{'零' if minute < 10 else ''}{spell_number(str(minute))}分"
    return spoken + (f"{'零' if int(second) < 10 else ''}{spell_number(str(int(second)))}秒" if second else "")


def fraction(match: Match[str]) -> str:
    """Read `3/4` as a fraction, `4/3` as a ratio."""
    top, bottom = spell_number(match[1]), spell_number(match[2])
    return f"{bottom}分之{top}" if int(match[1]) < int(match[2]) else f"{top}比{bottom}"


def versus(match: Match[str]) -> str:
    """Read `2-0` as a score where the text is about a game, or where it cannot be a range."""
    first, last, before = match["first"], match["last"], match.string[: match.start()]
    game = match["won"] is not None or before.endswith(("队", "比分", "比分为"))
    return f"{spell_number(first)}比{spell_number(last)}" if game or int(first) >= int(last) else match[0]


FORMS: dict[str, Form] = {
    "count": spell_count, "day": _day, "decimal": spell_decimal, "digits": spell_digits, "month": _month, "number": spell_number,
    "latin": lambda text: " ".join(text.lower()) if text.isupper() and len(text) <= 4 else text.lower(),
    "telephone": spell_telephone, "to": lambda text: re.sub("[-~—]", "到", text),
    "version": lambda text: "点".join(map(spell_digits, text.split("."))),
}  # fmt: skip
RULES = read_rules(Path(__file__).with_suffix(".tsv"), WORDS, FORMS, (net_address, month_and_day, clock, fraction, versus))
