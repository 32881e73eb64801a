"""Rules that turn written Mandarin into characters as they are said; Latin words stay, in lower case, between spaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from re import Match

from ctaplib.data.numerals_mandarin import say_count, say_decimal, say_digits, say_number, say_telephone

Rule = tuple[re.Pattern[str], Callable[[Match[str]], str]]
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_UNITS = {
    "kg": "公斤", "g": "克", "mg": "毫克", "t": "吨", "km": "公里", "m": "米", "cm": "厘米",
    "mm": "毫米", "nm": "纳米", "l": "升", "ml": "毫升", "km/h": "公里每小时", "m/s": "米每秒", "℃": "摄氏度",
    "°c": "摄氏度", "℉": "华氏度", "°f": "华氏度", "°": "度", "hz": "赫兹", "khz": "千赫兹", "mhz": "兆赫兹",
    "ghz": "吉赫兹", "w": "瓦", "kw": "千瓦", "kwh": "千瓦时", "v": "伏", "db": "分贝", "㎡": "平方米",
    "m2": "平方米", "km2": "平方公里", "m3": "立方米", "ms": "毫秒", "s": "秒", "min": "分钟", "h": "小时",
}  # fmt: skip
_MONEY = {"¥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_COUNTED = (
    "个只条位名人件本张把次天年月周岁倍台部家种套块层座所辆匹头朵颗棵间门首点盘场届架艘份双对杯瓶碗口道句"
    "篇页封扇根枚股里斤克米吨升元角分秒"
)
_SIGNS = {
    "+": "加", "=": "等于", "×": "乘", "÷": "除以", "±": "正负", "<": "小于", ">": "大于", "≤": "小于等于", "≥": "大于等于",
    "&": "和", "%": "百分之", "@": " at ", "°": "度", "℃": "摄氏度", "~": "到",
}  # fmt: skip
_LAST = r"(?![\d.]*\d)"


def _percent(match: Match[str]) -> str:
    part = "百" if match["sign"] == "%" else "千"
    first = f"{part}分之{say_decimal(match['first'])}"
    return first + (f"到{part}分之{say_decimal(match['last'])}" if match["last"] else "")


def _date(match: Match[str]) -> str:
    year, month, day = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{say_digits(year)}年{say_number(str(int(month)))}月{say_number(str(int(day)))}日"


def _years(match: Match[str]) -> str:
    first, last = match[1], match[2]
    return f"{say_digits(first)}到{say_digits(last)}" if last else say_digits(first)


def _clock(match: Match[str]) -> str:
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return match[0]
    said = f"{say_count(str(hour))}点"
    if minute or second:
        said += f"{'零' if minute < 10 else ''}{say_number(str(minute))}分"
    return said + (f"{'零' if int(second) < 10 else ''}{say_number(str(int(second)))}秒" if second else "")


def _telephone(match: Match[str]) -> str:
    return say_telephone(match[0])


def _money(match: Match[str]) -> str:
    return f"{say_count(match[2])}{match[3] or ''}{_MONEY[match[1]]}"


def _unit(match: Match[str]) -> str:
    name = _UNITS[match[2].lower()]
    if match[1].startswith("-") and name in {"摄氏度", "华氏度"}:
        return f"零下{say_count(match[1][1:])}{name}"
    return say_count(match[1]) + name


def _range(match: Match[str]) -> str:
    return f"{match[1]}到{match[2]}"


def _fraction(match: Match[str]) -> str:
    return f"{say_number(match[2])}分之{say_number(match[1])}"


def _latin(match: Match[str]) -> str:
    word = match[0]
    spelled = word.isupper() and len(word) <= 4
    return f" {' '.join(word.lower()) if spelled else word.lower()} "


def _plain(match: Match[str]) -> str:
    return say_decimal(match[0])


def _rule(pattern: str, say: Callable[[Match[str]], str], flags: int = 0) -> Rule:
    return re.compile(pattern, flags), say


_UNIT_NAMES = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
RULES = [
    _rule(r"(?<!\d)([016-9]0)(?=(?:、\d0)*后)", lambda m: say_digits(m[1])),
    _rule(r"(?<![\d-])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d-])", _date),
    _rule(r"(?<!\d)(\d{4})(?:年?[-~—至到](\d{4}))?(?=年)", _years),
    _rule(r"(?<!\d)(\d{2})(?=年(?!代|前|后|内|间|来|多|以|的|期|级))(?<=0\d|[6-9][1-9])", lambda m: say_digits(m[1])),
    _rule(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])(?=$|[^胜负比])(?<!\d:0\d:)", _clock),
    _rule(
        r"(?<!\d)1[3-9]\d{9}(?!\d)|(?<!\d)1[3-9]\d-\d{4}-\d{4}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)|(?<!\d)[48]00-\d{3,4}-\d{3,4}(?!\d)"
        r"|(?<=拨打)\d{3,5}(?!\d)|(?<=[请直]拨)\d{3,5}(?!\d)|(?<=热线)\d{3,6}(?!\d)|(?<=电话)\d{3,12}(?!\d)|(?<=电话[:是为])\s?\d{3,12}(?!\d)|(?<![\d.])1(?:10|19|20|22)(?=报警|电话|急救|热线)",
        _telephone,
    ),
    _rule(rf"(?P<first>-?{_NUMBER})%?(?:[-~—](?P<last>{_NUMBER}))?(?P<sign>[%‰])", _percent),
    _rule(rf"([¥$€£])\s?({_NUMBER})(万亿|万|亿)?", _money),
    _rule(rf"(-?{_NUMBER})\s?(?![GSHTMLV](?![A-Za-z]))((?i:{_UNIT_NAMES}))(?![A-Za-z])", _unit),
    _rule(r"(?<![\d/])(\d{1,3})/(\d{1,3})(?![\d/])", _fraction),
    _rule(r"(?<![\d:])(\d+):(\d+)(?![\d:])", lambda m: f"{say_number(m[1])}比{say_number(m[2])}"),
    _rule(rf"(?<![\d-])({_NUMBER})[-~—]({_NUMBER})(?![\d-])", _range),
    _rule(r"第(\d+)", lambda m: f"第{say_number(m[1])}"),
    _rule(rf"(?<![\d.月])2(?=[{_COUNTED}])(?!月|分之)", lambda m: "两"),
    _rule(r"(?<![\d.])2(?=万|亿|千)", lambda m: "两"),
    _rule(r"(?<=[A-Za-z])-(?=\d)", lambda m: " "),
    _rule(r"[A-Za-z]+(?:'[A-Za-z]+)?", _latin),
    _rule(r"(?<![\d\w])-(?=\d)", lambda m: "负"),
    _rule(rf"{_NUMBER}{_LAST}", _plain),
    _rule("[" + "".join(map(re.escape, _SIGNS)) + "]", lambda m: _SIGNS[m[0]]),
]
"""Dates, years, times, telephone numbers, shares, money, units, fractions, scores, ranges, ordinals, counts, words, numbers."""


def apply(text: str) -> str:
    """Apply the rules one after the other."""
    for pattern, say in RULES:
        text = pattern.sub(say, text)
    return text
