"""Numbers in Chinese characters: cardinals, digits one by one, telephone numbers, decimals."""

_DIGITS = "零一二三四五六七八九"
_UNITS = ["", "十", "百", "千"]
_GROUPS = ["", "万", "亿", "万亿"]
LONGEST = 16
"""Most digits of a number that is read as one; longer ones are read digit by digit."""


def spell_digits(digits: str) -> str:
    """Spell digits one by one: `2024` is 二零二四; other characters are skipped."""
    return "".join(_DIGITS[int(d)] for d in digits if d.isdigit())


def spell_telephone(digits: str) -> str:
    """Spell a telephone number: digit by digit, 1 as 幺."""
    return spell_digits(digits).replace("一", "幺")


def spell_number(digits: str) -> str:
    """Spell a whole number: `12345` is 一万两千三百四十五; one that starts with 0 or is very long, digit by digit.

    Two is 两 before 千, 万 and 亿 and 二 elsewhere; a leading 一十 is 十.
    """
    digits = digits.replace(",", "")
    if len(digits) > LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return spell_digits(digits)
    if int(digits) == 0:
        return "零"
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)]
    spoken = ""
    for power in range(len(groups) - 1, -1, -1):
        value = int(groups[power])
        if value == 0:
            if spoken and not spoken.endswith("零"):
                spoken += "零"
            continue
        if spoken and value < 1000 and not spoken.endswith("零"):
            spoken += "零"
        group = _group(value)
        spoken += ("两" if group == "二" and power else group) + _GROUPS[power]
    spoken = spoken.rstrip("零")
    return spoken[1:] if spoken.startswith("一十") else spoken


def _group(value: int) -> str:
    """Spell a number below 10,000."""
    spoken = ""
    for power, digit in zip((3, 2, 1, 0), f"{value:04d}"):
        if digit == "0":
            if spoken and not spoken.endswith("零"):
                spoken += "零"
        else:
            spoken += ("两" if digit == "2" and power == 3 else _DIGITS[int(digit)]) + _UNITS[power]
    return spoken.rstrip("零")


def spell_decimal(text: str) -> str:
    """Spell a number that may have commas, a sign and a fraction: `-2.5` is 负二点五."""
    sign = "负" if text.startswith("-") else ""
    whole, point, fraction = text.lstrip("-+").partition(".")
    return sign + spell_number(whole or "0") + (f"点{spell_digits(fraction)}" if point and fraction else "")


def spell_count(text: str) -> str:
    """Spell a number before a counter: 2 is 两."""
    return "两" if text == "2" else spell_decimal(text)
