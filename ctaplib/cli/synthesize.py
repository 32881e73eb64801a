"""Synthesise phones in the voice of a prompt."""

import argparse
from pathlib import Path

from ctaplib.cli import _collection


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--exp", type=Path, required=True, help="a recipe's exp folder, or an unpacked model")
    parser.add_argument("--prompt", type=Path, required=True, help="a clip of the voice, a few seconds long")
    parser.add_argument("--phones", required=True, help="phones of the model's tokens.txt; a | stands between words")
    parser.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--method", help="pre-training method, where the folder holds models of several")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    with _collection.paused():
        from ctaplib.audio.files import write_audio
        from ctaplib.infer.api import CTAP

    model = CTAP.from_pretrained(args.exp, args.method)
    words = [part.split() for part in args.phones.split("|")]
    phones = [phone for word in words for phone in word]
    numbers = [str(i) for i, word in enumerate(words) for _ in word]
    write_audio(args.out, model.synthesize(phones, args.prompt, numbers, args.speed), model.rate_hz)
    print(args.out)
    return 0
