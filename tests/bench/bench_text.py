"""Accuracy of normalisation and of every front end on the hard items of tests/fixtures, by category.

An English item is right where its normalised words are one of the answers (column `words`: the normaliser alone) and, for a front
end, where also every word of the column `pronunciations` has one of its phones and no word lacks phones. Phones are compared
without secondary stress, and vowels without main stress in words of several syllables as one class where English reduces
them. A Mandarin item is right where its characters and all its syllables are right (a slash parts answers). `raw` is pypinyin
alone on our characters, with its own tone sandhi.

    python tests/bench/bench_text.py
"""

import argparse
import importlib
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.normalize.normalizer import mandarin_clauses, normalize_english, normalize_mandarin
from ctaplib.text.frontends import Pronunciation, TextConfig, make_frontend
from ctaplib.text.pinyin import read

FIXTURES = Path(__file__).parents[1] / "fixtures"
Row = dict[str, str]
Scores = dict[str, dict[str, list[bool]]]
"""By column and category, whether each item is right."""
_VOWELS = set("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
_REDUCED = {"AH", "IH", "EH", "IY", "UH", "AE", "AO", "AA"}
_IPA = {
    "ɹ": "R", "j": "Y", "ɡ": "G", "g": "G", "ʃ": "SH", "ʒ": "ZH", "t͡ʃ": "CH", "d͡ʒ": "JH", "θ": "TH", "ð": "DH", "ŋ": "NG",
    "h": "HH",
    "i": "IY", "ɪ": "IH", "ɛ": "EH", "æ": "AE", "ɑ": "AA", "ɔ": "AO", "ʊ": "UH", "u": "UW", "ʌ": "AH", "ə": "AH", "ɚ": "ER",
    "ɝ": "ER",
    "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW", "oʊ": "OW",
}  # fmt: skip


def rows_of(name: str) -> list[Row]:
    """Read a fixture; empty columns at the end of a line count."""
    header, *lines = (FIXTURES / name).read_text(encoding="utf-8").splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def to_arpabet(phone: str) -> str:
    """Write an IPA phone of gruut in ARPAbet with stress; an ARPAbet phone stays."""
    bare = phone.strip("ˈˌ")
    name = _IPA.get(bare, bare.upper())
    return name + ("1" if "ˈ" in phone else "0") if name in _VOWELS else name


def comparable(phones: Iterable[str]) -> tuple[str, ...]:
    """Phones with main stress and full vowels only, so that dictionaries of different manners can be compared."""
    phones = list(phones)
    several = sum(p[-1].isdigit() for p in phones) > 1
    out = []
    for phone in phones:
        base, stress = (phone[:-1], phone[-1]) if phone[-1].isdigit() else (phone, "")
        weak = several and stress and stress != "1" and base in _REDUCED
        out.append("@" if weak else base + ("1" if several and stress == "1" else ""))
    return tuple(out)


def said_right(row: Row, found: Pronunciation) -> bool:
    """Tell whether the words of `pronunciations`, in their order in the sentence, have right phones."""
    words = row["words"].split(" / ")[0].split()
    phones = defaultdict(list)
    for phone, index in zip(found.phones, found.words, strict=True):
        phones[index].append(to_arpabet(phone))
    at = -1
    for item in filter(None, row["pronunciations"].split("; ")):
        word, answers = item.split("=")
        at = words.index(word, at + 1)
        if comparable(phones[at]) not in [comparable(answer.split()) for answer in answers.split(" / ")]:
            return False
    return True


def english(frontends: Iterable[TextConfig]) -> Scores:
    """Score the normaliser (`words`) and front ends."""
    scores: Scores = defaultdict(lambda: defaultdict(list))
    makers = {config.frontend: make_frontend(config) for config in frontends}
    for row in rows_of("hard_english.tsv"):
        right = normalize_english(row["text"]) in row["words"].split(" / ")
        scores["words"][row["category"]].append(right)
        for name, front in makers.items():
            try:
                scores[name][row["category"]].append(right and said_right(row, front(row["text"])))
            except DataError:
                scores[name][row["category"]].append(False)
    return scores


def _ours(text: str) -> list[str]:
    return [syllable or shown for clause in mandarin_clauses(text) for shown, syllable in read(clause)]


def _raw(text: str) -> list[str]:
    pypinyin = importlib.import_module("pypinyin")
    found: list[str] = []
    for clause in mandarin_clauses(text):
        found += pypinyin.lazy_pinyin(
            clause, style=pypinyin.Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True, errors=lambda latin: latin.split()
        )
    return found


def same_syllables(found: list[str], answer: str) -> bool:
    """Tell whether every syllable is one of the answers."""
    wanted = answer.split()
    return len(found) == len(wanted) and all(f in w.split("/") for f, w in zip(found, wanted, strict=True))


def mandarin() -> Scores:
    """Score the normaliser (`words`), our reading (`pypinyin`, the front end) and pypinyin by itself (`raw`)."""
    scores: Scores = defaultdict(lambda: defaultdict(list))
    readers: dict[str, Callable[[str], list[str]]] = {"pypinyin": _ours, "raw": _raw}
    for row in rows_of("hard_mandarin.tsv"):
        right = normalize_mandarin(row["text"]) in row["words"].split(" / ")
        scores["words"][row["category"]].append(right)
        for name, reader in readers.items():
            scores[name][row["category"]].append(right and same_syllables(reader(row["text"]), row["pinyin"]))
    return scores


def share(scores: Scores, column: str) -> float:
    """Percent of all items that are right."""
    items = [right for part in scores[column].values() for right in part]
    return 100 * sum(items) / len(items)


def table(scores: Scores) -> str:
    """Lay scores out, a line for each category, percent."""
    columns = list(scores)
    lines = [f"{'category':14} {'items':>5} " + " ".join(f"{c:>9}" for c in columns)]
    for category, items in scores["words"].items():
        cells = [f"{100 * sum(scores[c][category]) / len(items):9.1f}" for c in columns]
        lines.append(f"{category:14} {len(items):5d} " + " ".join(cells))
    total = sum(map(len, scores["words"].values()))
    return "\n".join([*lines, f"{'all':14} {total:5d} " + " ".join(f"{share(scores, c):9.1f}" for c in columns)])


def dictionary(folder: Path) -> Path:
    """Write the dictionary of g2p-en as a lexicon, for the front end `lexicon`."""
    cmudict = importlib.import_module("nltk.corpus").cmudict
    path = folder / "cmudict.txt"
    path.write_text("".join(f"{word} {' '.join(phones)}\n" for word, phones in cmudict.entries()))
    return path


def english_configs(folder: Path) -> list[TextConfig]:
    """Configs of all English front ends that are installed."""
    installed = [n for n, package in (("g2p_en", "g2p_en"), ("gruut", "gruut")) if importlib.util.find_spec(package)]
    return [
        *(TextConfig(frontend=name) for name in installed),
        TextConfig(frontend="lexicon", lexicon=str(dictionary(folder))),
    ]


def main() -> int:
    import tempfile

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"English\n{table(english(english_configs(Path(folder))))}\n\nMandarin\n{table(mandarin())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
