"""Compute log-mel, F0 and statistics of data directories."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli import _collection

if TYPE_CHECKING:
    from ctaplib.audio.settings import FeatureConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ctap features`."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--dump", type=Path, default=Path("dump"), help="folder to write to")
    parser.add_argument("--sets", required=True, help="names of the sets, separated by spaces")
    parser.add_argument("--train_set", default="train", help="set that the statistics are computed on")
    parser.add_argument("--config", type=Path, help="YAML file of the front end")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="override one value of the config")
    parser.add_argument("--nj", type=int, default=1, help="processes")
    parser.add_argument("--max_dropped_pct", type=float, default=5.0, help="largest share of unusable utterances, %%")
    parser.add_argument("--skip_unchanged", action="store_true", help="skip sets whose inputs are the same as before")


def check(args: argparse.Namespace) -> "FeatureConfig":
    """Read the config, before anything is done."""
    from ctaplib.audio.settings import FeatureConfig
    from ctaplib.config import load_config

    return load_config(FeatureConfig, args.config, args.set)


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap features`."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with _collection.paused():
        config = check(args)
        from ctaplib.corpus.datadir import read_spans

    sets = args.sets.split()
    for name in sets:
        read_spans(args.data / name)  # a missing or broken set is reported before hours of work on another
    from ctaplib.data.extract import extract_sets

    extract_sets(
        args.data,
        args.dump,
        sets,
        args.train_set,
        config,
        jobs=args.nj,
        max_dropped_pct=args.max_dropped_pct,
        skip_unchanged=args.skip_unchanged,
    )
    return 0
