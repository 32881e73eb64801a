"""Check, repair and perturb data directories, import and fetch corpora; `ctap kaldi` cuts, joins and copies directories."""

import argparse
import os
import sys
from pathlib import Path

from ctaplib.cli import _data_import
from ctaplib.cli._common import fast_imports


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("validate", help="report all faults of data directories at once; exit 1 if there are any")
    verb.add_argument("dirs", nargs="+", type=Path)
    verb.add_argument("--nj", type=int, default=os.cpu_count() or 1)
    verb.add_argument("--rate_hz", type=int, help="sampling rate that all audio should have")
    verb.add_argument("--tokens", type=Path, help="token list that the phones should fit")
    verb.add_argument("--no_wav", action="store_true", help="do not open audio")
    verb.add_argument("--no_text", action="store_true", help="accepted for compatibility; text is checked if there is one")
    verb.add_argument("--fix", action="store_true", help="repair, drop what cannot be used, keep a backup")
    verb = verbs.add_parser("perturb", help="write a set at several speeds: sp0.9-, as it is, sp1.1-")
    verb.add_argument("source", type=Path)
    verb.add_argument("target", type=Path)
    verb.add_argument("--factors", default="0.9 1.0 1.1", help="how many times faster, separated by spaces")
    verb.add_argument("--tool", choices=("soxr", "sox"), default="soxr", help="soxr: files in TARGET/wav; sox: commands")
    verb.add_argument("--nj", type=int, default=os.cpu_count() or 1)
    verb = verbs.add_parser("import", help=_data_import.HELP, description=_data_import.__doc__)
    _data_import.configure(verb)
    verb = verbs.add_parser("download", help="fetch a corpus and unpack it")
    verb.add_argument("corpus", type=Path, help="YAML file that describes it")
    verb.add_argument("target", type=Path)
    verb.add_argument("--mirror", action="append", default=[], help="mirror to try first (may be repeated)")
    verb.add_argument("--only", action="append", default=[], help="part to fetch (may be repeated); all where none is named")


def run(args: argparse.Namespace) -> int | None:
    """Run the verb."""
    verbs = {"validate": _validate, "download": _download, "perturb": _perturb, "import": _data_import.run}
    return verbs[args.verb](args)


def _validate(args: argparse.Namespace) -> int:
    with fast_imports():
        from ctaplib.corpus.validate import fix_datadir, validate_datadir
        from ctaplib.errors import counted
        from ctaplib.text.tokens import read_token_list

    tokens = read_token_list(args.tokens).tokens if args.tokens else None
    options = {"nj": args.nj, "rate_hz": args.rate_hz, "tokens": tokens, "audio": not args.no_wav}
    bad = 0
    for path in args.dirs:
        report = validate_datadir(path, **options)
        if args.fix and report.fatal:
            dropped = fix_datadir(path, report)
            print(f"{path}: repaired; {len(dropped)} utterances dropped (dropped.tsv), backup in {path}/.backup*")
            report = validate_datadir(path, **options)
        for fault in report.faults:
            print(f"{'fault' if fault.fatal else 'warning'}: {fault}", file=sys.stderr)
        print(report.summary())
        bad += len(report.fatal)
    if bad:
        hint = "each line above says where and what to do; --fix repairs and drops, with a backup"
        print(f"error: {counted(bad, 'fault')}; {hint}", file=sys.stderr)
    return 1 if bad else 0


def _perturb(args: argparse.Namespace) -> None:
    from ctaplib.corpus.perturb import perturb_set

    made = perturb_set(args.source, args.target, args.factors.split(), tool=args.tool, nj=args.nj)
    print(f"{args.target}: {len(made.utt_ids)} utterances at speeds {args.factors}")


def _download(args: argparse.Namespace) -> None:
    from ctaplib.corpus.download import fetch_corpus

    fetch_corpus(args.corpus, args.target, mirrors=args.mirror, only=args.only)
