"""Pack a trained recipe into a self-contained folder (stage 14)."""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--exp_root", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--dump", type=Path, default=Path("dump"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the packed model")
    parser.add_argument("--method", default="vqctap", help="pre-training method; ctap method lists them")


def run(args: argparse.Namespace) -> int:
    """Pack, then load the packed model and compare its content of one utterance."""
    from ctaplib.infer.pack import check_packed, pack
    from ctaplib.methods.base import find_method

    method = find_method(args.method)
    runs = pack(args.exp_root, args.out, method, args.exp_root / "results.json")
    check_packed(args.exp_root, args.out, method, args.dump)
    print(f"packed {', '.join(runs)} in {args.out}")
    return 0
