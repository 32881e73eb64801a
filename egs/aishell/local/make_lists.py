#!/usr/bin/env python3
"""Write the lists of what is converted and synthesised, from data/test; local/data.py calls this at its end.

They are about the twenty speakers of lists/test_speakers.txt, of whom training has nothing. Which of their utterances are used
follows from the corpus and a seed alone, so that every whole copy of the corpus gives the same lists: of each speaker's, in
LC_ALL=C order with those of 4 s or more last, the last three are references, a quarter of the others prompts, the rest
sources and texts. Utterances with a character that training lacks are not used. Two copies of the corpus can be compared by the
digits that are printed.
"""

import argparse
import sys
from pathlib import Path

from ctaplib.corpus.datadir import DataDir
from ctaplib.corpus.lists import draw_lists
from ctaplib.corpus.recipe import run_recipe

RECIPE = Path(__file__).resolve().parent.parent
PAIRS, SENTENCES = 200, 100


def usable(train: DataDir, test: DataDir) -> set[str]:
    """Return the test utterances whose characters training has."""
    known = {c for text in train.utts["text"].values() for c in text if "\u3400" <= c <= "\u9fff"}
    return {utt for utt, text in test.utts["text"].items() if known.issuperset(text)}


def draw(data: Path, lists: Path, pairs: int = PAIRS, sentences: int = SENTENCES) -> None:
    """Write `data/lists/{vc_pairs,references,tts}.tsv`."""
    draw_lists(data, lists / "test_speakers.txt", usable, long_s=4.0, pairs=pairs, sentences=sentences)


def main() -> int:
    """Read the options and write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument("--lists", type=Path, default=RECIPE / "lists")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    args = parser.parse_args()
    return run_recipe(lambda: draw(args.data, args.lists, args.pairs, args.sentences))


if __name__ == "__main__":
    sys.exit(main())
