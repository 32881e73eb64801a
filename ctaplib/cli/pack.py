"""Pack a trained recipe into a self-contained folder (stage 14)."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser, "exp_root", "dump", "method")
    parser.add_argument("--out", type=Path, required=True, help="folder of the packed model")


def run(args: argparse.Namespace) -> int:
    """Pack, then load the packed model and compare its content of one utterance."""
    from ctaplib.infer.pack import check_packed, pack
    from ctaplib.methods.base import find_method

    method = find_method(args.method)
    runs = pack(args.exp_root, args.out, method, args.exp_root / "results.json")
    check_packed(args.exp_root, args.out, method, args.dump)
    print(f"packed {', '.join(runs)} in {args.out}")
    return 0
