"""A tree as AISHELL-3 (OpenSLR 93) unpacks: train/ test/ spk-info.txt.

Known irregularities: a comment at the head of `spk-info.txt` and a stray blank in one of its lines, erhua syllables under two
characters, a test set that has some sentences of training speakers as well, a label file whose pinyin differs once.
"""

import argparse
from pathlib import Path

from pypinyin import Style, lazy_pinyin
from voice import Line, sentences, speak

from ctaplib.files import atomic_write

RATE_HZ = 44100
TRAIN = ("SSB0005", "SSB0009", "SSB0073", "SSB0241", "SSB0426", "SSB0966")
DEV = ("SSB0057", "SSB0273")
UNSEEN = ("SSB0693", "SSB0736", "SSB1187", "SSB1216")
MEN = frozenset(("SSB0073", "SSB0241", "SSB0273", "SSB0736", "SSB0966", "SSB1187"))
ERHUA = {"点儿": "dianr3", "花儿": "huar1"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of this tree."""
    parser.add_argument("--utts", type=int, default=10, help="utterances of each speaker")
    parser.add_argument("--lists", type=Path, help="folder that gets the lists of dev and unseen speakers of this tree")


def content(text: str) -> str:
    """A text as `content.txt` has it: characters and pinyin in turn, erhua syllables under two characters."""
    pinyin = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True)
    words: list[str] = []
    at = 0
    while at < len(text):
        pair = text[at : at + 2]
        step = 2 if pair in ERHUA else 1
        words += [text[at : at + step], ERHUA[pair] if pair in ERHUA else pinyin[at]]
        at += step
    return " ".join(words)


def covered(texts: list[str], train: int) -> list[str]:
    """The first sentences, for training, and behind them those that have no syllable which these lack."""
    known = {pinyin for text in texts[:train] for pinyin in content(text).split()[1::2]}
    return texts[:train] + [text for text in texts[train:] if known.issuperset(content(text).split()[1::2])]


def label(line: str) -> str:
    """A line of `label_train-set.txt` without its id: pinyin and characters with a break after every third syllable."""
    tokens = line.split()
    pinyin, characters = [], []
    for k, (c, p) in enumerate(zip(tokens[::2], tokens[1::2], strict=True), 1):
        last = k == len(tokens) // 2
        mark = ["$"] if last else ["%"] * (k % 3 == 0)
        pinyin += [p, *mark]
        characters += [c, *mark]
    return f"{' '.join(pinyin)}|{''.join(characters)}"


def make(dest: Path, args: argparse.Namespace) -> None:
    """Write the tree."""
    plan = [("train", spk, args.utts) for spk in (*TRAIN, *DEV)] + [("test", spk, args.utts) for spk in UNSEEN]
    plan += [("test", spk, 1) for spk in TRAIN[:2]]  # sentences of training speakers, under other numbers
    texts = iter(covered(sentences("zh", 3, 8000), len(TRAIN) * args.utts))
    lines: list[Line] = []
    contents: dict[str, list[str]] = {"train": [], "test": []}
    labels: list[str] = []
    for part, spk, count in plan:
        first = 201 if spk in TRAIN and part == "test" else 1
        for number in range(first, first + count):
            text = next(texts)
            if number % 5 == 0:
                text += "花儿"
            utt, said = f"{spk}{number:04d}", content(text)
            path = dest / part / "wav" / spk / f"{utt}.wav"
            lines.append(Line(path, text, spk, "m" if spk in MEN else "f", RATE_HZ, "zh"))
            contents[part].append(f"{utt}.wav\t{said}")
            if part == "train":
                labels.append(f"{utt}|{label(said)}")
    utt, pinyin, characters = labels[0].split("|")
    labels[0] = "|".join((utt, pinyin.translate(str.maketrans("12345", "23451")), characters))
    speak(lines, args.nj)
    for part, rows in contents.items():
        _write(dest / part / "content.txt", rows)
    _write(dest / "train" / "label_train-set.txt", ["# prosody labels", *labels])
    speakers = sorted({spk for _, spk, _ in plan}, reverse=True)
    rows = [f"{spk}\tB\t{'male' if spk in MEN else 'female'}{' ' if spk == 'SSB0426' else ''}\tnorth" for spk in speakers]
    head = ["# voice-file name; age group; gender; accent", "# In years, A:< 14, B:14 - 25, C:26 - 40, D:> 41.", ""]
    _write(dest / "spk-info.txt", [*head, *rows])
    if args.lists:
        _write(args.lists / "dev_speakers.txt", list(DEV))
        _write(args.lists / "unseen_speakers.txt", list(UNSEEN))


def _write(path: Path, rows: list[str]) -> None:
    with atomic_write(path) as out:
        out.writelines(row + "\n" for row in rows)
