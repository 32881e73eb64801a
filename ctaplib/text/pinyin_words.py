"""What pypinyin's dictionary lacks or has otherwise: words with their readings, and characters that their neighbours decide.

Readings are those before tone sandhi, in `pinyin_words.tsv` (columns: table, word, reading). Where the standard of 1985
(普通话异读词审音表) and everyday speech differ, the standard is taken.
"""

import re
from pathlib import Path

from ctaplib.normalize.tables import read_tables

_TABLES = read_tables(Path(__file__).with_suffix(".tsv"))
WORDS = {word: tuple(reading.split()) for word, reading in _TABLES["word"].items()}
COMPOUNDS = _TABLES["compound"].keys()
"""Words without a reading of their own that sandhi and 一 treat as one."""
PHRASES = _TABLES["phrase"].keys()
"""Words of pypinyin's dictionary that are mostly two words in a row."""
CHARACTERS = _TABLES["character"]
"""Readings of characters that are no part of a word."""

_NUMERAL = "一二三四五六七八九十百千万亿零〇两几数半0-9"
_VERBS = "走去来说想看做办吃喝买学写读听问找等花用打开关上下回跟让给把努赶好先快早马再注小认加靠付准"
CONTEXT = [
    (re.compile(pattern), reading)
    for pattern, reading in (
        (r"(?<=[我你他她它们您咱])得(?![了到过以奖分名第知病罪逞意体当很不])", "dei3"),
        (rf"(?<=[还就也都必总可只谁])得(?=[{_VERBS}])", "dei3"),
        (r"(?<=[\u4e00-\u9fff])得", "de5"),
        (r"(?<=[在会来去揉])和(?=面)", "huo2"),
        (r"(?<=[块片亩顷种垦田])地", "di4"),
        (r"(?<=[\u4e00-\u9fff]{2})地(?=[\u4e00-\u9fff])(?![里头边])", "de5"),
        (rf"(?<=[{_NUMERAL}每这那哪])只(?![能要有是好会想])", "zhi1"),
        (rf"(?<=[{_NUMERAL}第这那])行(?=$|[字代诗])", "hang2"),
        (r"(?<=[我你他她们])种", "zhong4"),
        (r"背(?=[着起上书])", "bei1"),
        (r"(?<![认成作称视当列选分定变])为(?=[我你他她它您咱])", "wei4"),
        (r"(?<=[成认作分称设定变视以极更最尤甚较大仅约均皆即率量值额度宽速温])为", "wei2"),
        (rf"为(?=[{_NUMERAL}点]+(?:美?元|吨|[公厘毫]?米|[公毫千]?克|公|折|平方|度|岁|摄|升|倍|比|分之|小时|分钟))", "wei2"),
        (r"(?<![可所难得足予加何借])以(?![前后上下来及便免至致外内])[\u4e00-\u9fff]{1,8}?为", "wei2"),
        (r"(?<=[在能可去人])了(?=望)|^了(?=望)|了(?=望[塔台哨站所员])", "liao4"),
        (r"^为(?=[正期零止]|[\u4e00-\u9fff]?期)", "wei2"),
        (r"(?<=[很太更最不好多真挺么这那])长", "chang2"),
        (r"长(?=[大高出成得满着了在])", "zhang3"),
        (r"^得(?=[\u4e00-\u9fff])", "dei3"),
        (r"(?<=[饭汤菜粥])盛|盛(?=[饭汤菜粥满好上]|一碗)", "cheng2"),
        (r"数(?=[了着]数|[了着]一)|(?<=数[了着])数", "shu3"),
        (r"种(?=[了着过下满上])", "zhong4"),
        (r"长(?=[度期久江城远寿裤])", "chang2"),
        (r"重(?=[做写来新建复申组])", "chong2"),
        (r"教(?=[我你他她您人孩了过会])", "jiao1"),
        (r"还(?=[钱债款书清给贷])", "huan2"),
        (r"系(?=[鞋领带好上安])", "ji4"),
        (r"削(?=[苹皮果铅水梨])", "xiao1"),
        (r"(?<=我|你|他|她|们|会|能|要|快|想|去)数(?=[一数到])", "shu3"),
        (r"干(?=[什嘛啥活事掉])", "gan4"),
        (r"倒(?=[水茶酒垃出过])", "dao4"),
        (r"长(?=$)", "chang2"),
        *((rf"(?<=姓){name}", reading) for name, reading in _TABLES["surname"].items()),
    )
]
"""Readings of characters that are in no word, by their neighbours (at the end of the pattern); the first match counts."""

STRONG = [
    (re.compile(r"(.)\1地(?=[\u4e00-\u9fff])"), "de5"),
    (re.compile(rf"(?<=[各这那哪某多几每两{_NUMERAL}])种(?!子)"), "zhong3"),
]
"""Like `CONTEXT`, but also inside of words: 这种草 has no 种草."""

SYLLABIC_ER = re.compile(
    r"(?<=[女婴幼孤胎少育健宠男托弃])儿|(?<=新生)儿|(?<=足月)儿|(?<=早产)儿|(?<=混血)儿|(?<=患)儿|儿(?=[子女童歌媳孙时科戏化麻])|^儿"
)
"""Places where 儿 is a syllable of its own; everywhere else it is erhua of the syllable before it."""
