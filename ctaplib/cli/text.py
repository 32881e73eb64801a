"""Normalise text and find its phones; make token lists."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli._common import add_options, fast_imports

if TYPE_CHECKING:
    from ctaplib.text.frontends import TextConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `ctap text`."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("prepare", help="the text stage: text.phn, token lists, SentencePiece")
    add_options(verb, "data", "dump", "sets", "train_set", "nj", "config", "set")
    verb.add_argument("--lists", type=Path, help="folder of fixed lists whose utterances must keep their phones")
    for name, text in (
        ("normalize", "print the normalised words of a text"),
        ("phones", "print the phones of a text; words in no dictionary are named"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("words", nargs="+")
        add_options(verb, "config", "set")


def check(args: argparse.Namespace) -> "TextConfig":
    """Return the config; its faults are errors."""
    from ctaplib.config import load_config
    from ctaplib.text.frontends import TextConfig

    return load_config(TextConfig, args.config, args.overrides)


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap text`."""
    with fast_imports():
        config = check(args)
    if args.verb == "phones":
        from ctaplib.text.frontends import make_frontend

        found = make_frontend(config)(" ".join(args.words))
        print(*found.phones)
        if found.guessed:
            print(f"in no dictionary: {' '.join(found.guessed)}", file=sys.stderr)
        return 0
    if args.verb == "normalize":
        from ctaplib.normalize.normalizer import normalizer

        print(normalizer(config.language)(" ".join(args.words)))
        return 0
    from ctaplib.corpus.lists import check_listed
    from ctaplib.text.prepare import prepare

    tokens = prepare(args.data, args.dump, args.sets.split(), args.train_set, config, args.nj)
    if args.lists is not None:
        check_listed(args.lists, args.data, args.sets.split())
    print(f"{len(tokens.phones)} phones and {len(tokens)} tokens in {args.dump}/token_list/phn/tokens.txt")
    return 0
