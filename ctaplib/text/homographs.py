"""English words of one spelling and two pronunciations, told apart by the words beside them.

g2p-en has a table of homographs and asks a tagger which one it is. This module says, where a neighbour leaves no doubt, whether a
word is a verb, and has the words that the table lacks or has the wrong way round (`read`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_BEFORE_VERB = set(
    """to will would can could must should may might shall do does did please i you we they who let's never always often cannot
    not don't doesn't didn't won't wouldn't can't couldn't shouldn't mustn't i'll you'll he'll she'll we'll they'll it'll i'd
    you'd we'd they'd that'll us people""".split()
)
_BEFORE_NOUN = set(
    """the a an this that these those my your his her its our their no every each some any of in on at for from with by and's
    another one two three new old good bad great small big child game strange fresh whole first last next is was are were be
    been very so too such what which whose""".split()
)
_DETERMINERS = set(
    "the a an this that these those my your his her its our their it them him me us you every some any each".split()
)
_HAVE = set("have has had having i've you've we've they've was were been be being is are got he's she's it's".split())
_NOT_PLURAL = set("is was has does this his its us as yes 's".split())


def word_class(words: Sequence[str], index: int) -> str:
    """Say whether a word is a verb (`V`) or a noun or adjective (`N`) by its neighbours; nothing where they do not tell.

    Args:
        words: a sentence in lower case.
        index: the word's place.
    """
    before = words[index - 1] if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if before in {"to", "not"} and index > 1 and words[index - 2] in {"is", "was", "are", "were", "due", "according", "close"}:
        return ""
    if before in _BEFORE_VERB or (index > 1 and words[index - 2] == "let"):
        return "V"
    if before in _BEFORE_NOUN or before.endswith("'s"):
        return "N"
    if before in {"and", "or"} and index > 1 and word_class(words, index - 2) == "V":
        return "V"
    if (not before or before == "and") and after in _DETERMINERS:
        return "V"
    if (
        before.endswith("s")
        and before not in _NOT_PLURAL
        and after in _DETERMINERS | {"in", "on", "at", "for", "to", "through", "around", "up", "down", "along", "across"}
    ):
        return "V"
    return ""


def _read(words: Sequence[str], index: int) -> str:
    near = words[max(0, index - 3) : index]
    if near and near[-1] in {
        "to",
        "will",
        "would",
        "can",
        "could",
        "must",
        "should",
        "did",
        "didn't",
        "don't",
        "do",
        "not",
        "please",
    }:
        return "R IY1 D"
    if (
        set(near) & _HAVE
        or (near and near[-1] in {"he", "she", "it", "who"})
        or re.search(r"\b(yesterday|ago|last (night|week|month|year))\b", " ".join(words))
    ):
        return "R EH1 D"
    return "R IY1 D"


def _by_class(verb: str, noun: str, unsure: str) -> Callable[[Sequence[str], int], str]:
    return lambda words, index: {"V": verb, "N": noun}.get(word_class(words, index), unsure)


_METAL = [[word] for word in "pipe pipes paint bullet bullets poisoning weight weights pencil pencils".split()]


def _lead(words: Sequence[str], index: int) -> str:
    metal = (index and words[index - 1] in {"of", "molten", "contain", "contains"}) or words[index + 1 : index + 2] in _METAL
    return "L EH1 D" if metal else "L IY1 D"


def _live(words: Sequence[str], index: int) -> str:
    shown = index and words[index - 1] in {"broadcast", "televised", "streamed", "recorded", "shown", "performed"}
    after = words[index + 1] if index + 1 < len(words) else ""
    shown = shown or (not index and after not in _DETERMINERS | {"in", "with", "on", "for", "and", "long", "like", "by", ""})
    return "L AY1 V" if shown or word_class(words, index) == "N" else "L IH1 V"


def _bow(words: Sequence[str], index: int) -> str:
    tied = re.search(r"\b(tied|tie|hair|ribbon|arrow|arrows|violin|string|strings)\b", " ".join(words))
    return "B OW1" if tied else "B AW1"


def _bass(words: Sequence[str], index: int) -> str:
    fish = re.search(r"\b(fish|fishing|caught|catch|lake|river|sea|eat|ate|striped)\b", " ".join(words))
    return "B AE1 S" if fish else "B EY1 S"


def _wound(words: Sequence[str], index: int) -> str:
    subject = index and words[index - 1] in {"he", "she", "they", "it", "i", "we", "you", "who"}
    wrapped = words[index + 1 : index + 2] and words[index + 1] in _DETERMINERS | {"up", "down", "around", "round"}
    return "W AW1 N D" if subject or wrapped else "W UW1 N D"


def _content(words: Sequence[str], index: int) -> str:
    pleased = index and words[index - 1] in {
        "am",
        "is",
        "are",
        "was",
        "were",
        "be",
        "i'm",
        "he's",
        "she's",
        "not",
        "quite",
        "feel",
    }
    return "K AH0 N T EH1 N T" if pleased else "K AA1 N T EH0 N T"


def _invalid(words: Sequence[str], index: int) -> str:
    person = (
        index and words[index - 1] in {"the", "an"} and words[index + 1 : index + 2] in (["was"], ["is"], ["had"], ["who"], [])
    )
    return "IH1 N V AH0 L AH0 D" if person else "IH0 N V AE1 L AH0 D"


def _close(words: Sequence[str], index: int) -> str:
    after = words[index + 1] if index + 1 < len(words) else ""
    before = words[index - 1] if index else ""
    if before in {"is", "are", "was", "were", "very", "so", "too", "come", "came", "get", "got", "a", "how"} or after in {
        "to",
        "by",
    }:
        return "K L OW1 S"
    shuts = word_class(words, index) == "V" or after in {"the", "your", "it", "my", "his", "her", "this", "that", "a"}
    return "K L OW1 Z" if shuts or (before == "the" and after in {"of", ""}) else "K L OW1 S"


PRONUNCIATIONS: dict[str, Callable[[Sequence[str], int], str]] = {
    "read": _read,
    "lead": _lead,
    "bow": _bow,
    "bass": _bass,
    "wound": _wound,
    "content": _content,
    "invalid": _invalid,
    "close": _close,
    "live": _live,
    "address": _by_class("AH0 D R EH1 S", "AE1 D R EH2 S", "AE1 D R EH2 S"),
    "wind": _by_class("W AY1 N D", "W IH1 N D", "W IH1 N D"),
    "tear": _by_class("T EH1 R", "T IH1 R", "T EH1 R"),
    "sow": _by_class("S OW1", "S AW1", "S OW1"),
    "dove": _by_class("D OW1 V", "D AH1 V", "D AH1 V"),
    "console": _by_class("K AH0 N S OW1 L", "K AA1 N S OW0 L", "K AA1 N S OW0 L"),
    "object": _by_class("AH0 B JH EH1 K T", "AA1 B JH EH0 K T", "AA1 B JH EH0 K T"),
    "rebel": _by_class("R IH0 B EH1 L", "R EH1 B AH0 L", "R EH1 B AH0 L"),
    "separate": _by_class("S EH1 P ER0 EY2 T", "S EH1 P ER0 AH0 T", "S EH1 P ER0 AH0 T"),
    "refuse": _by_class("R IH0 F Y UW1 Z", "R EH1 F Y UW2 S", "R IH0 F Y UW1 Z"),
    "desert": _by_class("D IH0 Z ER1 T", "D EH1 Z ER0 T", "D EH1 Z ER0 T"),
    "sewer": _by_class("S UW1 ER0", "S UW1 ER0", "S UW1 ER0"),
    "minute": _by_class("M IH1 N AH0 T", "M IH1 N AH0 T", "M IH1 N AH0 T"),
    "polish": _by_class("P AA1 L IH0 SH", "P AA1 L IH0 SH", "P AA1 L IH0 SH"),
}
"""The homographs that this module decides alone."""
