"""Synthesise phones in the voice of a prompt."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_model_options, fast_imports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_options(parser)
    parser.add_argument("--prompt", type=Path, required=True, help="a clip of the voice, a few seconds long")
    parser.add_argument("--phones", required=True, help="phones of the model's tokens.txt; a | stands between words")
    parser.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    with fast_imports():
        from ctaplib.audio.files import write_audio
        from ctaplib.infer.api import CTAP

    model = CTAP.from_pretrained(args.exp, args.method)
    words = [part.split() for part in args.phones.split("|")]
    phones = [phone for word in words for phone in word]
    numbers = [str(i) for i, word in enumerate(words) for _ in word]
    write_audio(args.out, model.synthesize(phones, args.prompt, numbers, args.speed), model.rate_hz)
    print(args.out)
    return 0
