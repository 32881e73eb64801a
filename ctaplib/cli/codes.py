"""Encode speech: write the codes of whole sets (dump, stage 6), or print those of audio files (file)."""

import argparse
from pathlib import Path

from ctaplib.cli import _collection


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    dump = verbs.add_parser("dump", help="write codes, S, P and prompt vectors of sets, as the method has them")
    dump.add_argument("--exp", type=Path, required=True, help="folder of the pre-trained run")
    dump.add_argument("--data", type=Path, default=Path("data"))
    dump.add_argument("--dump", type=Path, default=Path("dump"))
    dump.add_argument("--sets", required=True, help="sets, separated by spaces")
    dump.add_argument("--method", help="pre-training method, where the run's task trains several")
    dump.add_argument("--nj", type=int, default=2, help="processes of one thread")
    files = verbs.add_parser("file", help="print the codes of audio files")
    files.add_argument("--exp", type=Path, required=True, help="folder of the pre-trained run")
    files.add_argument("--method", help="pre-training method, where the folder holds several or the run's task trains several")
    files.add_argument("audio", nargs="+", type=Path)


def run(args: argparse.Namespace) -> int:
    """Write or print the codes."""
    if args.verb == "dump":
        with _collection.paused():
            from ctaplib.infer.codes import dump_sets

        dump_sets(args.exp, args.data, args.dump, args.sets.split(), args.nj, args.method)
        return 0
    with _collection.paused():
        from ctaplib.infer.api import CTAP

    model = CTAP.from_pretrained(args.exp, args.method)
    for path in args.audio:
        print(path, *model.encode(path).tolist())
    return 0
