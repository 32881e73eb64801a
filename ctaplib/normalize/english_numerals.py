"""Numbers in English words: cardinals, ordinals, years, digits one by one, fractions, Roman numerals (American, no `and`)."""

import re

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen""".split()
_TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_CANONICAL = re.compile(r"(?=.)c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})", re.IGNORECASE)
LONGEST = 15
"""Most digits of a number that is read as one; longer ones are read digit by digit."""


def spell_number(number: int) -> str:
    """Spell a whole number: 1234 is `one thousand two hundred thirty four`."""
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
    """Spell an ordinal: 21 is `twenty first`."""
    *head, last = spell_number(number).split()
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th" if not last.endswith("t") else "h"
    return " ".join([*head, last])


def spell_digits(digits: str) -> str:
    """Spell digits one by one: `007` is `zero zero seven`; other characters are skipped."""
    return " ".join(_ONES[int(d)] for d in digits if d.isdigit())


def spell_pair(number: int) -> str:
    """Spell two digits of a year or a time: 5 is `oh five`, 45 is `forty five`."""
    return f"oh {_ONES[number]}" if number < 10 else spell_number(number)


def spell_year(number: int) -> str:
    """Spell a year: 1905 is `nineteen oh five`, 2005 is `two thousand five`, 2024 is `twenty twenty four`."""
    high, low = divmod(number, 100)
    if number < 1000 or number >= 10000 or number % 1000 < 10:
        return spell_number(number)
    return f"{spell_number(high)} {'hundred' if low == 0 else spell_pair(low)}"


def spell_room(number: int) -> str:
    """Spell a number of three digits as in rooms, flights and models: 302 is `three oh two`, 747 is `seven forty seven`."""
    high, low = divmod(number, 100)
    return spell_number(number) if low == 0 else f"{_ONES[high]} {spell_pair(low)}"


def spell_whole(digits: str) -> str:
    """Spell a run of digits: as one number, or digit by digit where it starts with 0 or is very long."""
    if len(digits) > LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return spell_digits(digits)
    return spell_number(int(digits))


def spell_decimal(text: str) -> str:
    """Spell a number that may have commas and a fraction: `1,250.05` is `one thousand two hundred fifty point zero five`."""
    whole, point, fraction = text.replace(",", "").partition(".")
    words = spell_whole(whole) if whole else ""
    return f"{words} point {spell_digits(fraction)}".strip() if point and fraction else words


def spell_fraction(top: int, bottom: int) -> str:
    """Spell a fraction: 1, 2 is `one half`; 3, 4 is `three quarters`; 7, 10 is `seven tenths`."""
    name = {2: "half", 4: "quarter"}.get(bottom) or spell_ordinal(bottom)
    if top != 1:
        name = "halves" if bottom == 2 else name + "s"
    return f"{spell_number(top)} {name}"


def plural(words: str) -> str:
    """Put the last word of a spoken number into the plural: `ninety` is `nineties`, `six` is `sixes`."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def roman(numeral: str) -> int:
    """Return the value of a Roman numeral below 400.

    Raises:
        ValueError: the letters are not one in its canonical form.
    """
    if not _CANONICAL.fullmatch(numeral):
        raise ValueError(numeral)
    values = [_ROMAN[c] for c in numeral.lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0]))
