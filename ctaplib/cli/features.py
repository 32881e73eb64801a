"""Compute log-mel, F0 and statistics of data directories."""

import argparse
from typing import TYPE_CHECKING

from ctaplib.cli._common import add_options, fast_imports, one_thread

if TYPE_CHECKING:
    from ctaplib.audio.settings import FeatureConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ctap features`."""
    add_options(parser, "data", "dump", "sets", "train_set", "config", "set", "nj")
    parser.add_argument("--max_dropped_pct", type=float, default=5.0, help="largest share of unusable utterances, %%")
    parser.add_argument("--skip_unchanged", action="store_true", help="skip sets whose inputs are the same as before")


def check(args: argparse.Namespace) -> "FeatureConfig":
    """Read the config, before anything is done."""
    from ctaplib.audio.settings import FeatureConfig
    from ctaplib.config import load_config

    return load_config(FeatureConfig, args.config, args.overrides)


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap features`."""
    one_thread()
    with fast_imports():
        config = check(args)
        from ctaplib.corpus.datadir import read_spans

    sets = args.sets.split()
    for name in sets:
        read_spans(args.data / name)  # a missing or broken set is reported before hours of work on another
    from ctaplib.data.extract import extract_sets

    extract_sets(
        args.data, args.dump, sets, args.train_set, config, jobs=args.nj, max_dropped_pct=args.max_dropped_pct,
        skip_unchanged=args.skip_unchanged,
    )  # fmt: skip
    return 0
