#!/usr/bin/env python3
"""Write the lists of what is converted and synthesised, from data/test; local/data.py calls this at its end.

They are about the twenty speakers of lists/test_speakers.txt, of whom training has nothing. Which of their utterances are used
follows from the corpus and a seed alone, so that every whole copy of the corpus gives the same lists: of each speaker's, in
LC_ALL=C order with those of 4 s or more last, the last three are references, a quarter of the others prompts, the rest
sources and texts. Utterances with a character that training lacks are passed over. Two copies can be compared by the digits
that are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from ctaplib.corpus.datadir import c_sorted, read_datadir
from ctaplib.corpus.fixed_lists import write_task_lists
from ctaplib.errors import CtapError, DataError
from ctaplib.files import read_table

RECIPE = Path(__file__).resolve().parent.parent
LONG_S = 4.0
PAIRS, SENTENCES = 200, 100


def draw(data: Path, lists: Path, pairs: int = PAIRS, sentences: int = SENTENCES) -> None:
    """Write `data/lists/{vc_pairs,references,tts}.tsv`.

    Raises:
        DataError: a speaker of the list is not in the test set, or is in another set after all.
    """
    path = lists / "test_speakers.txt"
    unseen = path.read_text(encoding="utf-8").split()
    test = read_datadir(data / "test")
    trained = set(read_table(data / "train" / "utt2spk").values()) | set(read_table(data / "dev" / "utt2spk").values())
    faults = [f"{spk}: it is not in {data}/test" for spk in c_sorted(set(unseen) - set(test.speakers))]
    faults += [f"{spk}: it is in train or dev too" for spk in c_sorted(set(unseen) & trained)]
    if faults:
        raise DataError(
            f"{len(faults)} speakers of {path} cannot be used", faults, expected="speakers whom the test set alone has",
            fix="take the whole corpus, or name another folder of lists with --lists (in --local_data_opts)",
        )  # fmt: skip
    duration_s = {utt: float(value) for utt, value in test.utts["utt2dur"].items()}
    known = {c for text in read_table(data / "train" / "text").values() for c in text if "\u3400" <= c <= "\u9fff"}
    usable = {utt for utt, text in test.utts["text"].items() if known.issuperset(text)}
    own = {
        spk: sorted(usable.intersection(utts), key=lambda utt: (duration_s[utt] >= LONG_S, utt))
        for spk, utts in test.spk2utt().items() if spk in unseen
    }  # fmt: skip
    genders = {spk: test.spks["spk2gender"][spk] for spk in own}
    write_task_lists(data / "lists", ["test"], own, genders, pairs=pairs, tts=sentences)
    digest = hashlib.sha256(b"".join((data / "lists" / f"{name}.tsv").read_bytes() for name in ("vc_pairs", "references", "tts")))
    held = f"{pairs} conversions and {sentences} sentences of {len(own)} speakers"
    print(f"lists: {held}, in {data / 'lists'} (SHA-256 {digest.hexdigest()[:12]})")


def main() -> int:
    """Read the options and write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=RECIPE / "data")
    parser.add_argument("--lists", type=Path, default=RECIPE / "lists")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    args = parser.parse_args()
    try:
        draw(args.data, args.lists, args.pairs, args.sentences)
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
