"""Decode the test sets with every trained system (stage 11), or recognise the output with the judge (stage 12)."""

import argparse
from typing import TYPE_CHECKING

from ctaplib.cli._common import add_options, fast_imports

if TYPE_CHECKING:
    from ctaplib.infer.decode_sets import DecodeConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    text = "systems: decode the sets; judge: recognise natural and decoded audio"
    parser.add_argument("--what", choices=("systems", "judge"), default="systems", help=text)
    add_options(parser, "config", "set", "exp_root", "data", "dump", "train_set", "sets", "lists", "method", "nj")


def check(args: argparse.Namespace) -> "DecodeConfig":
    """Read and check the config."""
    from ctaplib.config import load_config
    from ctaplib.infer.decode_sets import DecodeConfig

    return load_config(DecodeConfig, args.config, args.overrides)


def run(args: argparse.Namespace) -> int:
    """Decode every set."""
    with fast_imports():
        from ctaplib.corpus.lists import check_listed
        from ctaplib.infer.decode_sets import Decoder, decode_all
        from ctaplib.methods.base import find_method

    config = check(args)
    if args.what == "systems":
        check_listed(args.lists, args.data, args.sets.split(), args.dump)
    decoder = Decoder(args.exp_root, args.data, args.dump, args.lists, config, find_method(args.method), args.train_set)
    decode_all(decoder, args.sets.split(), args.nj, judge=args.what == "judge")
    return 0
