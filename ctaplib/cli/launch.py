"""Train in several processes or on several machines: ctap launch [options] -- ARGUMENTS OF ctap train."""

import argparse
from pathlib import Path

from ctaplib.cluster.launcher import launch
from ctaplib.cluster.options import add_machine_options
from ctaplib.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ctap launch`."""
    add_machine_options(parser)
    parser.add_argument("--status_folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("train", nargs="*", metavar="ARGUMENT", help="arguments of ctap train, after --")


def run(args: argparse.Namespace) -> int:
    """Run `ctap launch`."""
    if not args.train:
        raise ConfigError("ctap launch has nothing to train", expected="[options] -- ARGUMENTS OF ctap train")
    return launch(args)
