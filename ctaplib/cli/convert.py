"""Convert audio files to the voice of a prompt."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_model_options, fast_imports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_options(parser)
    parser.add_argument("--prompt", type=Path, required=True, help="a clip of the voice, a few seconds long")
    parser.add_argument("--out", type=Path, required=True, help="folder for the converted files")
    parser.add_argument("audio", nargs="+", type=Path)


def run(args: argparse.Namespace) -> int:
    """Write one file for every input, under its name."""
    with fast_imports():
        from ctaplib.audio.files import write_audio
        from ctaplib.errors import CtapError
        from ctaplib.infer.api import CTAP

    names = [path.stem for path in args.audio]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise CtapError(f"several inputs are named {', '.join(twice)}", fix="convert them into different folders")
    inputs = {path.resolve() for path in (*args.audio, args.prompt)}
    lost = sorted(str(args.out / f"{n}.wav") for n in names if (args.out / f"{n}.wav").resolve() in inputs)
    if lost:
        raise CtapError(f"the output would replace {', '.join(lost)}, which is an input", fix="give --out another folder")
    model = CTAP.from_pretrained(args.exp, args.method)
    for path in args.audio:
        out = args.out / f"{path.stem}.wav"
        write_audio(out, model.convert(path, args.prompt), model.rate_hz)
        print(out)
    return 0
