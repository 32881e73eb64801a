#!/usr/bin/env python3
"""Make the mini corpus: speech, data directories and true phone times, from lists/voices.tsv (see local/data.sh)."""

import argparse
import sys
import time
from pathlib import Path

from ctaplib.corpus.recipe import run_recipe
from ctaplib.synthetic.languages import language
from ctaplib.synthetic.speak_corpus import make_corpus, read_plan
from ctaplib.synthetic.variants import engine_data, read_variants

RECIPE = Path(__file__).resolve().parent.parent


def make(args: argparse.Namespace) -> None:
    """Make the corpus and print how long each set is."""
    lists = RECIPE / "lists" / ("" if args.lang == "en" else args.lang) / ("" if args.size == "full" else args.size)
    audio = args.audio or RECIPE / "downloads" / args.lang / ("wav" if args.size == "full" else "wav_tiny")
    data = args.data or RECIPE / ("data" if args.lang == "en" else f"data_{args.lang}")
    start_s = time.monotonic()
    drawn = read_variants(RECIPE / "lists" / "variants.tsv")
    minutes = make_corpus(
        read_plan(lists / "voices.tsv"), language(args.lang), audio=audio, data=data, seed=args.seed, nj=args.nj,
        unlabelled=("train_speech",), engine=engine_data(drawn, audio.absolute().parent / "engine"),
    )  # fmt: skip
    for name, length in minutes.items():
        print(f"{name}: {length:.1f} minutes")
    print(f"{sum(minutes.values()):.1f} minutes of speech in {time.monotonic() - start_s:.1f} s")


def main() -> int:
    """Read the options and make the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: for tests, some 2 minutes of speech")
    parser.add_argument("--audio", type=Path, help="folder of the audio files (default: downloads/<lang>/wav)")
    parser.add_argument("--data", type=Path, help="folder of the data directories (default: data, or data_zh)")
    parser.add_argument("--nj", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    return run_recipe(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
