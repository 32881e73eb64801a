"""Kaldi's commands for data directories, with their arguments and exit statuses; utils/*.sh and *.pl call them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ctaplib.cli import _datadirs, _kaldi_audio, _kaldi_tables
from ctaplib.cli.main import Parser
from ctaplib.errors import DataError, counted

CHECK = (
    "report every fault; status 1 if there are any. What Kaldi's own refuses is refused; besides, audio is opened, a line with "
    "nothing after its id or a malformed utt2spk is a fault (with Kaldi's it is not, or ends with status 0), so are text that is "
    "not UTF-8, ids that hold `/`, and text far too long for its audio"
)
REPAIR = (
    "sort, drop what cannot be used into dropped.tsv, keep a backup. Besides what Kaldi's own drops: utterances whose audio "
    "cannot be used, those without text or with malformed lines"
)
SUBSET = (
    "keep utterances: [how] FROM COUNT TO, or --spk-list|--utt-list FILE FROM TO. Without [how] they are spread evenly, the "
    "same ones as Kaldi's; --per-spk takes the same ones where a speaker has twice as many or more, and as many as asked for "
    "where he has fewer (Kaldi's takes one less)"
)
COMBINE = (
    "join data directories. One id with different values in two of them is a fault (Kaldi's keeps one of the two); the tables of "
    "an earlier TARGET are removed"
)


class KaldiParser(Parser):
    """Options first, positional arguments after them; a fault of usage is status 1, as in Kaldi's scripts."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the fault."""
        self.print_usage(sys.stderr)
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let a value begin with dashes where an option wants one: --validate-opts "--no-feats"."""
        words, joined = list(args or []), []
        while words:
            word = words.pop(0)
            action = self._option_string_actions.get(self._spelt(word))
            if action is not None and action.nargs is None and words:
                word = f"{word}={words.pop(0)}"
            joined.append(word)
        found, unknown = super().parse_known_args(joined, namespace)
        if unknown:
            self.error(f"unknown arguments: {' '.join(unknown)}")
        return found, unknown


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the commands by the names of the scripts."""
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=KaldiParser)

    def add(name: str, does: Callable[[argparse.Namespace], int | None], text: str, *positional: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text)
        for word in positional:
            verb.add_argument(word)
        verb.set_defaults(does=does)
        return verb

    verb = add("validate_data_dir", _validate, CHECK, "dir")
    for flag in ("feats", "text", "wav"):
        verb.add_argument(f"--no-{flag}", action="store_true", help=f"the directory may lack {flag}; what is there is checked")
    verb.add_argument("--no-spk-sort", action="store_true", help="utterances need not be sorted by speaker")
    verb.add_argument("--non-print", action="store_true", help="accepted; text may hold any printable character anyway")
    _checks(verb)
    verb = add("fix_data_dir", _fix, REPAIR, "dir")
    _extra(verb)
    _checks(verb)
    verb = add("subset_data_dir", _subset, SUBSET)
    how = verb.add_mutually_exclusive_group()
    for flag, text in (
        ("speakers", "random speakers (always the same, though not Kaldi's), until they have that many utterances"),
        ("shortest", "the shortest ones"),
        ("first", "the first ones"), ("last", "the last ones"), ("per-spk", "that many of each speaker"),
    ):  # fmt: skip
        how.add_argument(f"--{flag}", action="store_true", help=text)
    strict = "all of them have to be there (Kaldi's passes over those that are not)"
    how.add_argument("--spk-list", type=Path, help=f"file with one speaker a line; {strict}")
    how.add_argument("--utt-list", type=Path, help=f"file with one utterance a line; {strict}")
    verb.add_argument("words", nargs="+", metavar="FROM [COUNT] TO")
    verb = add("combine_data", _combine, COMBINE, "target")
    verb.add_argument("sources", nargs="+", type=Path)
    verb.add_argument("--skip-fix", help="accepted; nothing is fixed silently")
    _extra(verb)
    text = "copy, with prefixes and suffixes of ids; with segments, recordings keep their names, as in Kaldi"
    verb = add("copy_data_dir", _copy, text, "source", "target")
    for name in ("spk-prefix", "utt-prefix", "spk-suffix", "utt-suffix"):
        verb.add_argument(f"--{name}", default="")
    verb.add_argument("--rename-recordings", action="store_true", help="recordings get what utterances get (ours)")
    verb.add_argument("--validate-opts", help="accepted; the copy is as good as the original was, and is not checked")
    _extra(verb)
    verb = add("split_data", _split, "split into DIR/splitN/1 ... N by speakers, or DIR/splitNutt by utterances", "dir", "parts")
    verb.add_argument("--per-utt", action="store_true", help="split by utterances")
    _kaldi_tables.configure(add)
    _kaldi_audio.configure(add)


def run(args: argparse.Namespace) -> int | None:
    """Run the command."""
    does: Callable[[argparse.Namespace], int | None] = args.does
    return does(args)


def _checks(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--rate_hz", type=int, help="sampling rate that all audio should have (ours)")
    verb.add_argument("--quick", action="store_true", help="check the tables, open no audio (ours)")
    _kaldi_audio.jobs(verb)


def _extra(verb: argparse.ArgumentParser) -> None:
    for name in ("extra-files", "utt-extra-files", "spk-extra-files"):
        verb.add_argument(f"--{name}", help="accepted; every table that is known is treated anyway")


def _validate(args: argparse.Namespace) -> int:
    from ctaplib.corpus.validate import validate_datadir

    path = Path(args.dir)
    faults = []
    report = validate_datadir(path, nj=args.nj, rate_hz=args.rate_hz, audio=not args.quick, wav_scp=not args.no_wav)
    for name, excused in (("text", args.no_text), ("feats.scp", args.no_feats)):
        if not excused and not (path / name).exists():
            faults.append(f"{path / name}:1: the file is missing (if that is meant, say --no-{name.removesuffix('.scp')})")
    for fault in report.faults:
        if fault.kind == "speaker_order" and args.no_spk_sort:
            continue
        if fault.fatal or fault.kind:
            faults.append(str(fault))
        else:
            _datadirs.print_faults([fault], "warning")
    _datadirs.print_faults(faults)
    print(report.summary())
    if faults:
        hint = f"ctap kaldi fix_data_dir {path} repairs and drops, with a backup"
        print(f"error: {counted(len(faults), 'fault')}; {hint}", file=sys.stderr)
    return 1 if faults else 0


def _fix(args: argparse.Namespace) -> int:
    from ctaplib.corpus.validate import fix_datadir, validate_datadir

    options = {"nj": args.nj, "rate_hz": args.rate_hz, "audio": not args.quick}
    dropped = fix_datadir(args.dir, validate_datadir(args.dir, **options))
    report = validate_datadir(args.dir, **options)
    print(f"{args.dir}: {len(dropped)} utterances dropped (dropped.tsv), backup in {args.dir}/.backup*")
    left = [fault for fault in report.faults if fault.fatal or fault.kind == "speaker_order"]
    _datadirs.print_faults(left)
    print(report.summary())
    return 1 if left else 0


def _subset(args: argparse.Namespace) -> None:
    how = next((name for name in ("spk_list", "utt_list", "speakers", "shortest", "first", "last", "per_spk")
                if getattr(args, name)), "even")  # fmt: skip
    listed = args.spk_list or args.utt_list
    if len(args.words) != (2 if listed else 3):
        found = f"found {len(args.words)} arguments: {' '.join(args.words)}"
        raise DataError(found, expected="FROM TO" if listed else "FROM COUNT TO")
    source, target = Path(args.words[0]), Path(args.words[-1])
    _datadirs.subset(source, target, how, listed or _count(args.words[1]), as_kaldi=True)


def _count(word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise DataError(f"found {word!r}", expected="a number, at least 1")
    return int(word)


def _combine(args: argparse.Namespace) -> None:
    _datadirs.combine(args.sources, Path(args.target))


def _copy(args: argparse.Namespace) -> None:
    names = {f"{what}_{end}": getattr(args, f"{what}_{end}") for what in ("utt", "spk") for end in ("prefix", "suffix")}
    _datadirs.copy(Path(args.source), Path(args.target), rename_recordings=args.rename_recordings, **names)


def _split(args: argparse.Namespace) -> None:
    source, number = Path(args.dir), _count(args.parts)
    _datadirs.split(source, number, source / f"split{number}{'utt' if args.per_utt else ''}", by_speaker=not args.per_utt)
