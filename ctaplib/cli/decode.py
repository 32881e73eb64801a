"""Decode the test sets with every trained system (stage 11), or recognise the output with the judge (stage 12)."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli import _collection

if TYPE_CHECKING:
    from ctaplib.infer.decode_sets import DecodeConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--what",
        choices=("systems", "judge"),
        default="systems",
        help="systems: decode the sets; judge: recognise natural and decoded audio",
    )
    parser.add_argument("--config", type=Path, help="YAML file")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a value")
    parser.add_argument("--exp_root", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--dump", type=Path, default=Path("dump"))
    parser.add_argument("--train_set", default="train", help="training set, whose transcripts the n-gram of phones counts")
    parser.add_argument("--sets", required=True, help="sets, separated by spaces")
    parser.add_argument("--lists", type=Path, default=Path("lists"), help="folder of the fixed lists")
    parser.add_argument("--method", default="vqctap", help="pre-training method; ctap method lists them")
    parser.add_argument("--nj", type=int, default=1, help="processes of one thread")


def check(args: argparse.Namespace) -> "DecodeConfig":
    """Read and check the config."""
    from ctaplib.config import load_config
    from ctaplib.infer.decode_sets import DecodeConfig

    return load_config(DecodeConfig, args.config, args.overrides)


def run(args: argparse.Namespace) -> int:
    """Decode every set."""
    with _collection.paused():
        from ctaplib.corpus.lists import check_listed
        from ctaplib.infer.decode_sets import Decoder, decode_all
        from ctaplib.methods.base import find_method

    config = check(args)
    if args.what == "systems":
        check_listed(args.lists, args.data, args.sets.split(), args.dump)
    decoder = Decoder(args.exp_root, args.data, args.dump, args.lists, config, find_method(args.method), args.train_set)
    decode_all(decoder, args.sets.split(), args.nj, judge=args.what == "judge")
    return 0
