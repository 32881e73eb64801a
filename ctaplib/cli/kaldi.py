"""Kaldi's commands for data directories, with their arguments and exit statuses; utils/*.sh and *.pl call them."""

import argparse
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ctaplib.cli import _kaldi_tables
from ctaplib.cli._kaldi_tables import lines_of
from ctaplib.cli.main import Parser
from ctaplib.errors import DataError, counted

if TYPE_CHECKING:
    from ctaplib.corpus.datadir import DataDir

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

SPEED = (
    "change the speed; ids and speakers get the prefix sp<factor>-, recordings that of ids. Unlike Kaldi's, times of segments "
    "are not rounded, utt2dur and reco2dur have 4 places, the sox commands take any format sox knows, and reco2dur is "
    "written only where the source has one"
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
    _configure_audio(add)


def _configure_audio(add: Callable[..., argparse.ArgumentParser]) -> None:
    speed = add("perturb_data_dir_speed", _perturb, SPEED, "factor", "source", "target")
    text = "the original, 0.9 and 1.1 times its speed; see perturb_data_dir_speed"
    three = add("perturb_data_dir_speed_3way", _perturb_3way, text, "source", "target")
    for verb in (speed, three):
        text = "sox: commands in wav.scp; soxr: files in TARGET/wav (ours)"
        verb.add_argument("--tool", choices=("sox", "soxr"), default="sox", help=text)
        _switch(verb, "include-spk-prefix", "true", "false: a speaker at another speed is the same speaker")
        _jobs(verb)
    _switch(three, "always-include-prefix", "false", "true: ids and speakers at the original speed get sp1.0-")
    verb = add("get_utt2dur", _utt2dur, "write utt2dur from segments or from the audio; a complete one is kept", "dir")
    _jobs(verb)
    verb.add_argument("--cmd", help="accepted; ours runs on this machine, in --nj processes")
    verb.add_argument("--frame-shift", type=float, help="accepted; ours never counts frames of features")
    _switch(verb, "read-entire-file", "false", "accepted; ours reads whole files where needed")
    _switch(verb, "permit-no-utterances", "false", "accepted; a directory without utterances is a fault")


def run(args: argparse.Namespace) -> int | None:
    """Run the command."""
    does: Callable[[argparse.Namespace], int | None] = args.does
    return does(args)


def _checks(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--rate_hz", type=int, help="sampling rate that all audio should have (ours)")
    verb.add_argument("--quick", action="store_true", help="check the tables, open no audio (ours)")
    _jobs(verb)


def _jobs(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="processes that open audio")


def _switch(verb: argparse.ArgumentParser, name: str, default: str, text: str) -> None:
    verb.add_argument(f"--{name}", choices=("true", "false"), default=default, help=text)


def _extra(verb: argparse.ArgumentParser) -> None:
    for name in ("extra-files", "utt-extra-files", "spk-extra-files"):
        verb.add_argument(f"--{name}", help="accepted; every table that is known is treated anyway")


def _validate(args: argparse.Namespace) -> int:
    from ctaplib.corpus.validate import validate_datadir

    path = Path(args.dir)
    report = validate_datadir(path, nj=args.nj, rate_hz=args.rate_hz, audio=not args.quick, wav_scp=not args.no_wav)
    faults = []
    for name, excused in (("text", args.no_text), ("feats.scp", args.no_feats)):
        if not excused and not (path / name).exists():
            faults.append(f"{path / name}:1: the file is missing (if that is meant, say --no-{name.removesuffix('.scp')})")
    for fault in report.faults:
        if fault.kind == "speaker_order" and args.no_spk_sort:
            continue
        if fault.fatal or fault.kind:
            faults.append(str(fault))
        else:
            print(f"warning: {fault}", file=sys.stderr)
    _print_faults(faults)
    print(report.summary())
    if faults:
        hint = f"ctap kaldi fix_data_dir {path} repairs and drops, with a backup"
        print(f"error: {counted(len(faults), 'fault')}; {hint}", file=sys.stderr)
    return 1 if faults else 0


def _print_faults(faults: Sequence[object]) -> None:
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)


def _fix(args: argparse.Namespace) -> int:
    from ctaplib.corpus.validate import fix_datadir, validate_datadir

    options = {"nj": args.nj, "rate_hz": args.rate_hz, "audio": not args.quick}
    dropped = fix_datadir(args.dir, validate_datadir(args.dir, **options))
    report = validate_datadir(args.dir, **options)
    print(f"{args.dir}: {len(dropped)} utterances dropped (dropped.tsv), backup in {args.dir}/.backup*")
    left = [fault for fault in report.faults if fault.fatal or fault.kind == "speaker_order"]
    _print_faults(left)
    print(report.summary())
    return 1 if left else 0


def _subset(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import read_datadir, subset, subset_by_speakers, write_datadir

    listed = args.spk_list or args.utt_list
    if len(args.words) != (2 if listed else 3):
        found = f"found {len(args.words)} arguments: {' '.join(args.words)}"
        raise DataError(found, expected="FROM TO" if listed else "FROM COUNT TO")
    source, target = Path(args.words[0]), Path(args.words[-1])
    data = read_datadir(source)
    if listed:
        ids = [line.split()[0] for line in lines_of(listed)]
        made = subset_by_speakers(data, ids) if args.spk_list else subset(data, ids)
    else:
        made = subset(data, _choose(args, source, data, _count(args.words[1])))
    write_datadir(made, target, alone=True)
    print(f"{target}: {len(made.utt_ids)} of {len(data.utt_ids)} utterances")


def _choose(args: argparse.Namespace, source: Path, data: "DataDir", count: int) -> list[str]:
    utts = data.utt_ids
    if args.per_spk:
        return [utt for own in data.spk2utt().values() for utt in own[:: max(1, len(own) // count)][:count]]
    if args.speakers:
        speakers, chosen = list(data.spk2utt().values()), list[str]()
        random.Random(1).shuffle(speakers)
        for own in speakers:
            chosen += own if len(chosen) < count else []
        return chosen
    if count > len(utts):
        raise DataError(f"there are only {len(utts)} utterances", expected=f"at least the {count} that are asked for")
    if args.shortest:
        from ctaplib.corpus.perturb import durations

        length_s = durations(source, data, nj=1)
        return sorted(utts, key=lambda utt: (length_s[utt], utt))[:count]
    if args.first:
        return utts[:count]
    return utts[-count:] if args.last else evenly(utts, count)


def evenly(utts: Sequence[str], count: int) -> list[str]:
    """Select `count` evenly spaced utterances, the same as Kaldi's subset_scp.pl (half of them from each half)."""
    if len(utts) < 2 or not count:
        return list(utts[:count])
    middle, below = len(utts) // 2, count // 2
    return evenly(utts[:middle], below) + evenly(utts[middle:], count - below)


def _count(word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise DataError(f"found {word!r}", expected="a number, at least 1")
    return int(word)


def _combine(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import combine_folders

    joined, lost = combine_folders(args.sources, Path(args.target))
    if lost:
        print(f"warning: left out, because not all of them have it: {' '.join(lost)}", file=sys.stderr)
    print(f"{args.target}: {len(joined.utt_ids)} utterances")


def _copy(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import copy, read_datadir, write_datadir

    if Path(args.source).resolve() == Path(args.target).resolve():
        raise DataError(f"{args.source} would be overwritten by its copy", expected="two different directories")
    names = {f"{what}_{end}": getattr(args, f"{what}_{end}") for what in ("utt", "spk") for end in ("prefix", "suffix")}
    made = copy(read_datadir(args.source), rename_recordings=args.rename_recordings, **names)
    write_datadir(made, args.target, alone=True)
    print(f"{args.target}: a copy of {args.source}")


def _split(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import read_datadir, split, write_datadir

    number, what = _count(args.parts), "utterances" if args.per_utt else "speakers"
    made = split(read_datadir(args.dir), number, by_speaker=not args.per_utt)
    if len(made) < number:
        fix = "ask for fewer parts" + ("" if args.per_utt else ", or --per-utt")
        raise DataError(f"{args.dir} has only {len(made)} {what}", expected=f"at least {number}", fix=fix)
    folder = Path(args.dir) / f"split{number}{'utt' if args.per_utt else ''}"
    for place, part in enumerate(made, 1):
        write_datadir(part, folder / str(place), alone=True)
    print(f"{folder}: {number} parts")


def _perturb(args: argparse.Namespace) -> None:
    from ctaplib.corpus.perturb import perturb_set

    perturb_set(
        args.source, args.target, [args.factor], tool=args.tool, nj=args.nj,
        with_speakers=args.include_spk_prefix == "true", always_prefix=True,
    )  # fmt: skip
    print(f"{args.target}: {args.source} at {args.factor} times its speed")


def _perturb_3way(args: argparse.Namespace) -> None:
    from ctaplib.corpus.perturb import perturb_set

    if (Path(args.target) / "feats.scp").exists():
        raise DataError(f"{args.target}/feats.scp is there already", fix="name another directory, or remove its features")
    perturb_set(
        args.source, args.target, ["0.9", "1.0", "1.1"], tool=args.tool, nj=args.nj,
        with_speakers=args.include_spk_prefix == "true", always_prefix=args.always_include_prefix == "true",
    )  # fmt: skip
    print(f"{args.target}: {args.source} at 0.9, 1.0 and 1.1 times its speed")


def _utt2dur(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import read_datadir
    from ctaplib.corpus.perturb import durations
    from ctaplib.files import write_table

    path = Path(args.dir)
    data = read_datadir(path)
    if data.utts.get("utt2dur", {}).keys() == set(data.utt_ids):
        print(f"{path}/utt2dur has every utterance already; remove it to have it made again")
        return
    data = type(data)(data.wavs, {k: v for k, v in data.utts.items() if k != "utt2dur"}, segments=data.segments)
    found = durations(path, data, nj=args.nj)
    write_table(path / "utt2dur", {utt: f"{length_s:.4f}" for utt, length_s in found.items()})
    print(f"{path}/utt2dur: {len(found)} utterances, {sum(found.values()) / 60:.1f} minutes")
