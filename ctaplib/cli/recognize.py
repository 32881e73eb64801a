"""Recognise audio files with a trained recipe."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_model_options, fast_imports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_options(parser)
    parser.add_argument("--system", choices=("frozen_ctc", "frozen_class", "finetuned"), default="frozen_ctc")
    parser.add_argument("audio", nargs="+", type=Path)


def run(args: argparse.Namespace) -> int:
    """Print a line of phones, and one of words where the system has them, for every file."""
    with fast_imports():
        from ctaplib.infer.api import CTAP
        from ctaplib.tasks.load import require

    model = CTAP.from_pretrained(args.exp, args.method)
    if args.system == "finetuned":
        require(model.method, "asr")
    for path in args.audio:
        transcript = model.recognize(path, model.method.run("asr") if args.system == "finetuned" else None)
        print(path, *(transcript.by_class if args.system == "frozen_class" else transcript.by_ctc))
        if transcript.words is not None:
            print(path, transcript.words)
    return 0
