"""Numbers in Chinese characters: cardinals, digits one by one, telephone numbers, decimals."""

from __future__ import annotations

_DIGITS = "零一二三四五六七八九"
_UNITS = ["", "十", "百", "千"]
_GROUPS = ["", "万", "亿", "万亿"]
LONGEST = 16
"""Digits of the longest number that is said as one; longer ones are said digit by digit."""


def say_digits(digits: str) -> str:
    """Say digits one by one: `2024` is 二零二四; other characters are passed over."""
    return "".join(_DIGITS[int(d)] for d in digits if d.isdigit())


def say_telephone(digits: str) -> str:
    """Say a telephone number: digit by digit, 1 as 幺."""
    return say_digits(digits).replace("一", "幺")


def say_number(digits: str) -> str:
    """Say a whole number: `12345` is 一万两千三百四十五; one that starts with 0 or is very long, digit by digit.

    Two is 两 before 千, 万 and 亿 and 二 elsewhere; a leading 一十 is 十.
    """
    digits = digits.replace(",", "")
    if len(digits) > LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return say_digits(digits)
    if int(digits) == 0:
        return "零"
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)]
    said = ""
    for power in range(len(groups) - 1, -1, -1):
        value = int(groups[power])
        if value == 0:
            if said and not said.endswith("零"):
                said += "零"
            continue
        if said and value < 1000 and not said.endswith("零"):
            said += "零"
        group = _group(value)
        said += ("两" if group == "二" and power else group) + _GROUPS[power]
    said = said.rstrip("零")
    return said[1:] if said.startswith("一十") else said


def _group(value: int) -> str:
    """Say a number below 10,000."""
    said = ""
    for power, digit in zip((3, 2, 1, 0), f"{value:04d}"):
        if digit == "0":
            if said and not said.endswith("零"):
                said += "零"
        else:
            said += ("两" if digit == "2" and power == 3 else _DIGITS[int(digit)]) + _UNITS[power]
    return said.rstrip("零")


def say_decimal(text: str) -> str:
    """Say a number that may have commas, a sign and a fraction: `-2.5` is 负二点五."""
    sign = "负" if text.startswith("-") else ""
    whole, point, fraction = text.lstrip("-+").partition(".")
    return sign + say_number(whole or "0") + (f"点{say_digits(fraction)}" if point and fraction else "")


def say_count(text: str) -> str:
    """Say a number that counts what follows: 2 is 两."""
    return "两" if text == "2" else say_decimal(text)
