"""Encode speech: write the codes of whole sets (dump, stage 6), or print those of audio files (file)."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_options, fast_imports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    dump = verbs.add_parser("dump", help="write codes, S, P and prompt vectors of sets, as the method has them")
    dump.add_argument("--exp", type=Path, required=True, help="folder of the pre-trained run")
    add_options(dump, "data", "dump", "sets", "nj", nj=2)
    dump.add_argument("--method", help="pre-training method, if the run trains several")
    files = verbs.add_parser("file", help="print the codes of audio files")
    files.add_argument("--exp", type=Path, required=True, help="folder of the pre-trained run")
    files.add_argument("--method", help="pre-training method, if the folder has runs of several or its run trains several")
    files.add_argument("audio", nargs="+", type=Path)


def run(args: argparse.Namespace) -> int:
    """Write or print the codes."""
    with fast_imports():
        from ctaplib.infer.api import CTAP
        from ctaplib.infer.codes import dump_sets

    if args.verb == "dump":
        dump_sets(args.exp, args.data, args.dump, args.sets.split(), args.nj, args.method)
        return 0
    model = CTAP.from_pretrained(args.exp, args.method)
    for path in args.audio:
        print(path, *model.encode(path).tolist())
    return 0
