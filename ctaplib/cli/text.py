"""Find the phones of text; make token lists."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli import _collection

if TYPE_CHECKING:
    from ctaplib.text.frontends import TextConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("prepare", help="the text stage: text.phn, token lists, SentencePiece")
    verb.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    verb.add_argument("--dump", type=Path, default=Path("dump"), help="folder to write to")
    verb.add_argument("--sets", required=True, help="names of the sets that have text, separated by spaces")
    verb.add_argument("--train_set", default="train", help="set that the token lists come from")
    verb.add_argument("--lists", type=Path, help="folder of fixed lists whose utterances must keep their phones")
    verb.add_argument("--nj", type=int, default=1, help="processes")
    _add_config(verb)
    verb = verbs.add_parser("normalize", help="print the words of a text as they are said")
    verb.add_argument("words", nargs="+")
    _add_config(verb)
    verb = verbs.add_parser("phones", help="print the phones of a text; words in no dictionary are named")
    verb.add_argument("words", nargs="+")
    _add_config(verb)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="YAML file of the text front end")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change one value of the config")


def check(args: argparse.Namespace) -> "TextConfig":
    """Read the config, before anything is done."""
    from ctaplib.config import load_config
    from ctaplib.text.frontends import TextConfig

    return load_config(TextConfig, args.config, args.set)


def run(args: argparse.Namespace) -> int | None:
    """Do what the verb says."""
    with _collection.paused():
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
