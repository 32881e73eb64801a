"""Recognise audio files with a trained recipe."""

import argparse
from pathlib import Path

from ctaplib.cli import _collection


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of `ctap recognize`."""
    parser.add_argument("--exp", type=Path, required=True, help="a recipe's exp folder, or an unpacked model")
    parser.add_argument("--system", choices=("frozen_ctc", "frozen_class", "finetuned"), default="frozen_ctc")
    parser.add_argument("--method", default="vqctap", help="pre-training method")
    parser.add_argument("audio", nargs="+", type=Path)


def run(args: argparse.Namespace) -> int:
    """Print a line of phones, and one of words where the system has them, for every file."""
    with _collection.paused():
        from ctaplib.infer.api import CTAP

    model = CTAP.from_pretrained(args.exp, args.method)
    for path in args.audio:
        found = model.recognize(path, "asr_finetuned" if args.system == "finetuned" else None)
        print(path, *(found.by_class if args.system == "frozen_class" else found.by_ctc))
        if found.words is not None:
            print(path, found.words)
    return 0
