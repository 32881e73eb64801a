"""Rules that turn written Mandarin into spoken characters; Latin words stay, in lower case, between spaces."""

import re
from pathlib import Path
from re import Match

from ctaplib.normalize.mandarin_numerals import spell_count, spell_decimal, spell_digits, spell_number, spell_telephone
from ctaplib.normalize.rules import DENOMINATORS, Rule
from ctaplib.normalize.tables import read_tables

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_TABLES = read_tables(Path(__file__).with_name("mandarin_words.tsv"))
_UNITS, _MONEY, _SIGNS = _TABLES["unit"], _TABLES["money"], _TABLES["sign"]
_COUNT = rf"(?!年级|分之|人民)(?:[{''.join(_TABLES['counter'])}]|{'|'.join(_TABLES['measure'])})"
"""Counters and measures, before which 2 is 两."""
_LAST = r"(?![\d.]*\d)"


def _percent(match: Match[str]) -> str:
    part = "百" if match["sign"] == "%" else "千"
    first = f"{part}分之{spell_decimal(match['first'])}"
    return first + (f"到{part}分之{spell_decimal(match['last'])}" if match["last"] else "")


def _date(match: Match[str]) -> str:
    year, month, day = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{spell_digits(year)}年{spell_number(str(int(month)))}月{spell_number(str(int(day)))}日"


def _month_and_day(match: Match[str]) -> str:
    month, day = int(match[1]), int(match[2])
    if not (1 <= month <= 12 and 1 <= day <= 31) or day in DENOMINATORS or day <= month:
        return match[0]
    return f"{spell_number(str(month))}月{spell_number(str(day))}日"


def _versus(match: Match[str]) -> str:
    """Read `2-0` as a score where the text is about a game, or where it cannot be a range."""
    first, last, before = match["first"], match["last"], match.string[: match.start()]
    game = match["won"] is not None or before.endswith(("队", "比分", "比分为"))
    return f"{spell_number(first)}比{spell_number(last)}" if game or int(first) >= int(last) else match[0]


def _net(match: Match[str]) -> str:
    signs = {".": "点", "/": "斜杠", "@": " at ", "-": "杠", "_": "下划线", ":": "冒号"}
    parts = re.findall(r"[A-Za-z]+|\d+|.", re.sub(r"^[a-z]+://", "", match[0]))
    return "".join(signs.get(p) or (spell_digits(p) if p.isdigit() else f" {' '.join(p) if p == 'www' else p} ") for p in parts)


def _years(match: Match[str]) -> str:
    between = (match[2] or "").translate({ord(c): "到" for c in "-~—"})
    return spell_digits(match[1]) + (between + spell_digits(match[3]) if match[3] else "")


def _clock(match: Match[str]) -> str:
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return match[0]
    spoken = f"{spell_count(str(hour))}点"
    if minute or second:
        spoken += f"{'零' if minute < 10 else ''}{spell_number(str(minute))}分"
    return spoken + (f"{'零' if int(second) < 10 else ''}{spell_number(str(int(second)))}秒" if second else "")


def _unit(match: Match[str]) -> str:
    name = _UNITS[match[2].lower().replace("^", "")]
    if match[1].startswith("-") and name in {"摄氏度", "华氏度"}:
        return f"零下{spell_count(match[1][1:])}{name}"
    return spell_count(match[1]) + name


def _fraction(match: Match[str]) -> str:
    top, bottom = match[1], match[2]
    if int(top) < int(bottom):
        return f"{spell_number(bottom)}分之{spell_number(top)}"
    return f"{spell_number(top)}比{spell_number(bottom)}"


def _latin(match: Match[str]) -> str:
    word = match[0]
    spelled = word.isupper() and len(word) <= 4
    return f" {' '.join(word.lower()) if spelled else word.lower()} "


_UNIT_NAMES = "|".join(re.sub(r"([23])$", r"\\^?\1", re.escape(u)) for u in sorted(_UNITS, key=len, reverse=True))
RULES = [
    Rule(
        r"(?<![\w@.])(?:https?://|www\.)[\w./:@-]*\w|[\w.-]+@[\w-]+(?:\.[\w-]+)+|\b[A-Za-z][\w-]*(?:\.[\w-]+)*\.(?:com|cn|org|net|edu|gov|io)\b",
        _net,
        re.ASCII,
    ),
    Rule(r"(?<=\d)(?:·|•)(?=\d)", lambda m: "·"),
    Rule(r"(?<!\d)(\d{1,2})·(\d{1,2})(?!\d)", lambda m: spell_digits(m[1] + m[2])),
    Rule(r"(?<!\d)([016-9]0)(?=(?:、\d0)*后)", lambda m: spell_digits(m[1])),
    Rule(r"(?<![\d-])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d-])", _date),
    Rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]*\d)", lambda m: "点".join(map(spell_digits, m[0].split(".")))),
    Rule(r"(?<![\d/.])(\d{1,2})/(\d{1,2})(?![\d/.%])", _month_and_day),
    Rule(r"(?<!\d)(\d{4})(?:(年?[-~—至到])(\d{4}))?(?=[学财]?年)", _years),
    Rule(r"(?<!\d)(\d{2})(?=年(?!代|前|后|内|间|来|多|以|的|期|级))(?<=0\d|[6-9][1-9])", lambda m: spell_digits(m[1])),
    Rule(r"(?<=\d:\d\d)\s?[-~—]+\s?(?=\d{1,2}:\d\d)", lambda m: "到"),
    Rule(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])(?=$|[^胜负比])(?<!\d:0\d:)", _clock),
    Rule(
        r"(?<!\d)1[3-9]\d{9}(?!\d)|(?<!\d)1[3-9]\d-\d{4}-\d{4}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)|(?<!\d)[48]00-\d{3,4}-\d{3,4}(?!\d)"
        r"|(?<=拨打)\d{3,5}(?!\d)|(?<=[打拨])(?:1[12]\d|1[02]\d{3}|9\d{4})(?![\d个次])|(?<=[请直]拨)\d{3,5}(?!\d)|(?<=热线)\d{3,6}(?!\d)|(?<=电话)\d{3,12}(?!\d)|(?<=号[是为:])\d{5,}(?!\d)|(?<=号码[是为:])\d{4,}(?!\d)|(?<=账号)\d{5,}(?!\d)|(?<=电话[:是为])\s?\d{3,12}(?!\d)|(?<![\d.])1(?:10|19|20|22)(?=报警|电话|急救|热线)",
        lambda m: spell_telephone(m[0]),
    ),
    Rule(rf"(?P<first>-?{_NUMBER})%?(?:[-~—](?P<last>{_NUMBER}))?(?P<sign>[%‰])", _percent),
    Rule(rf"([¥$€£])\s?({_NUMBER})(万亿|万|亿)?", lambda m: f"{spell_count(m[2])}{m[3] or ''}{_MONEY[m[1]]}"),
    Rule(rf"(-?{_NUMBER})\s?(?![GSHTMV](?![A-Za-z])|L(?![A-Za-z/]))((?i:{_UNIT_NAMES}))(?![A-Za-z])", _unit),
    Rule(r"(?<![\d/])(\d{1,3})/(\d{1,3})(?![\d/])", _fraction),
    Rule(r"(?<![\d:])(\d+):(\d+)(?![\d:])", lambda m: f"{spell_number(m[1])}比{spell_number(m[2])}"),
    Rule(
        rf"(?<![\d.-])(?P<first>\d{{1,3}})-(?P<last>\d{{1,3}})(?![\d.-]|\s?[%万亿号室栋楼年月日])(?P<won>(?=(?:{'|'.join(_TABLES['result'])})))?",
        _versus,
    ),
    Rule(rf"(?<![\d-])({_NUMBER})[-~—]({_NUMBER})(?![\d-])", lambda m: f"{m[1]}到{m[2]}"),
    Rule(r"第(\d+)", lambda m: f"第{spell_number(m[1])}"),
    Rule(rf"(?<![\d.月])2(?=(?:到\d+)?{_COUNT})", lambda m: "两"),
    Rule(r"(?<=[A-Z])\d{3,}(?!\d|[.]\d)", lambda m: spell_digits(m[0])),
    Rule(r"(?<=\d)#(?=[楼栋院馆宿])", lambda m: "号"),
    Rule(r"(\d+)\^(-?\d+)", lambda m: f"{spell_number(m[1])}的{spell_decimal(m[2])}次方"),
    Rule(r"(?<=[\d])\s?[*x]\s?(?=\d)", lambda m: "乘"),
    Rule(
        r"(?<=[元米克吨里度人次升斤时秒瓦])/(?=[一二三四五六七八九十百千]+(?:公里|克|毫升|人)|平方|立方|[人天日月年斤吨克米个件次股度升只台套张位]|小时|分钟|秒|公斤|公里)",
        lambda m: "每",
    ),
    Rule(r"(?<=[\u4e00-\u9fff])/(?=[\u4e00-\u9fff])", lambda m: "或"),
    Rule(r"(?<=[A-Za-z])/(?=[A-Za-z0-9])|(?<=\d)/(?=[A-Za-z])", lambda m: " "),
    Rule(r"(?<=[\d%个天元])~(?=\d)", lambda m: "到"),
    Rule(r"(?<=[\u4e00-\u9fffA-Za-z])[~]+(?=\s|$|[，。！？,.!?)])", lambda m: " "),
    Rule(r"(?<=[A-Za-z])-(?=\d)", lambda m: " "),
    Rule(r"[A-Za-z]+(?:'[A-Za-z]+)?", _latin),
    Rule(r"(?<![\d\w])-(?=\d)", lambda m: "负"),
    Rule(rf"{_NUMBER}{_LAST}", lambda m: spell_decimal(m[0])),
    Rule("[" + "".join(map(re.escape, _SIGNS)) + "]", lambda m: _SIGNS[m[0]]),
]
"""Dates, years, times, telephone numbers, shares, money, units, fractions, scores, ranges, ordinals, counts, words, numbers."""
