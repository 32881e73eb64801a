"""LibriTTS or LibriTTS-R: parts, speakers, chapters, books; a speaker id that begins like another, long ids, texts with marks."""

import argparse
from pathlib import Path

from voice import Line, sentences, speak

PARTS = {
    "train-clean-100": {"103": ("f", "1240 1241"), "1034": ("m", "121119")},
    "train-clean-360": {"14": ("f", "208"), "100": ("m", "121669")},
    "train-other-500": {"20": ("f", "205"), "1006": ("m", "135212")},
    "dev-clean": {"84": ("f", "121123"), "174": ("m", "50561")},
    "test-clean": {"121": ("f", "121726 127105"), "237": ("f", "126133"), "1089": ("m", "134686"), "260": ("m", "123286")},
}
"""Speakers of each part: sex and chapters. 103 and 1034 sort differently as names and as beginnings of names."""
HEAD = """; Some pipe(|) separated metadata about the readers; the fields are id, sex, subset, minutes and name.
;ID  |SEX| SUBSET           |MINUTES| NAME
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--restored", action="store_true", help="LibriTTS-R: the folder is LibriTTS_R")
    parser.add_argument("--utts", type=int, default=12, help="utterances of each speaker")


def make(dest: Path, args: argparse.Namespace) -> None:
    """Speak and write the tree to `dest/LibriTTS` (or `LibriTTS_R`)."""
    root = dest / ("LibriTTS_R" if args.restored else "LibriTTS")
    everyone = [(part, spk, *more) for part, own in PARTS.items() for spk, more in own.items()]
    texts = iter(sentences("en", 4, args.utts * len(everyone)))
    lines = []
    for part, spk, gender, chapters in everyone:
        for number in range(args.utts):
            text, chapter = next(texts), chapters.split()[number % len(chapters.split())]
            name = f"{spk}_{chapter}_{number + 1:06d}_{number % 3:06d}"
            folder = root / part / spk / chapter
            folder.mkdir(parents=True, exist_ok=True)
            written = {1: f'"{text[0].upper() + text[1:]}," he said.', 2: text.upper()}.get(
                number, text[0].upper() + text[1:] + "."
            )
            said = text + " he said" if number == 1 else text
            (folder / f"{name}.normalized.txt").write_text(written)  # the corpus has no line end there
            (folder / f"{name}.original.txt").write_text(written)
            lines.append(Line(folder / f"{name}.wav", said, spk, gender, 24000))
            with open(folder / f"{spk}_{chapter}.trans.tsv", "a") as out:
                out.write(f"{name}\t{written}\t{written}\n")
    write_metadata(root, everyone)
    speak(lines, args.nj)


def write_metadata(root: Path, everyone: list[tuple[str, str, str, str]]) -> None:
    """Files at the root, as each archive of the corpus brings them."""
    (root / "SPEAKERS.txt").write_text(
        HEAD + "".join(f"{s:<5}| {g.upper()} | {p:<17}| 8.04  | N. N.\n" for p, s, g, _ in everyone)
    )
    (root / "speakers.tsv").write_text(
        "READER\tGENDER\tSUBSET\tNAME\n" + "".join(f"{s}\t{g.upper()}\t{p}\tN. N.\n" for p, s, g, _ in everyone)
    )
    (root / "README_librispeech.txt").write_text("made for tests\n")
