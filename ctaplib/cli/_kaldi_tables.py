"""Kaldi's filters of tables, from files or standard input: utt2spk_to_spk2utt, filter_scp and the like."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ctaplib.errors import DataError


def configure(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    verb = add("utt2spk_to_spk2utt", _to_spk2utt, "turn utt2spk into spk2utt (FILE or standard input)")
    verb.add_argument("file", nargs="?", default="-")
    verb = add("spk2utt_to_utt2spk", _to_utt2spk, "turn spk2utt into utt2spk (FILE or standard input)")
    verb.add_argument("file", nargs="?", default="-")
    verb = add("filter_scp", _filter, "print the lines of TABLE (or standard input) whose id is in LIST", "list")
    verb.add_argument("table", nargs="?", default="-")
    verb.add_argument("--exclude", action="store_true", help="print the others")
    verb.add_argument("-f", dest="column", type=int, default=1, help="column of the id, from 1")
    text = "deal the lines of TABLE out to files of nearly equal length (Kaldi's --utt2dur, by length in seconds, is not there)"
    verb = add("split_scp", _split_scp, text, "table")
    verb.add_argument("outs", nargs="*", metavar="OUT", help="one for each part; with -j none (standard output) or one")
    verb.add_argument("-j", dest="job", nargs=2, type=int, metavar=("JOBS", "ID"), help="only part ID, from 0, of JOBS parts")
    verb.add_argument("--one-based", action="store_true", help="ID is from 1")
    verb.add_argument("--utt2spk", type=Path, help="keep the lines of a speaker together")


def lines_of(path: str | Path) -> list[str]:
    """Read the lines of a file or, for `-`, of standard input.

    Raises:
        DataError: It cannot be read, is not UTF-8, or has empty lines (all of them are listed).
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", expected="a table") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}", fix="convert it, e.g. with iconv") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    empty = [f"{path}:{number}: the line is empty" for number, line in enumerate(lines, 1) if not line.strip()]
    if empty:
        raise DataError(f"{path} has {len(empty)} empty lines", empty, fix="remove them")
    return [line.rstrip("\r") for line in lines]


def _print(lines: Iterable[str]) -> None:
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]  # the stub says TextIO
    for line in lines:
        print(line)


def _to_spk2utt(args: argparse.Namespace) -> None:
    owned: dict[str, list[str]] = {}
    for number, line in enumerate(lines_of(args.file), 1):
        if len(line.split()) != 2:
            raise DataError(f"{args.file}:{number}: {line!r}", expected="`utterance speaker`")
        owned.setdefault(line.split()[1], []).append(line.split()[0])
    _print(f"{spk} {' '.join(utts)}" for spk, utts in owned.items())


def _to_utt2spk(args: argparse.Namespace) -> None:
    lines = [line.split() for line in lines_of(args.file)]
    alone = [f"{args.file}:{number}: {words[0]!r}" for number, words in enumerate(lines, 1) if len(words) < 2]
    if alone:
        raise DataError(f"{args.file} has speakers without utterances", alone, expected="`speaker utterance ...`")
    _print(f"{utt} {spk}" for spk, *utts in lines for utt in utts)


def _filter(args: argparse.Namespace) -> None:
    known = {line.split()[0] for line in lines_of(args.list)}
    kept, faults = [], []
    for number, line in enumerate(lines_of(args.table), 1):
        words = line.split()
        if len(words) < args.column:
            faults.append(f"{args.table}:{number}: {len(words)} columns: {line!r}")
        elif (words[args.column - 1] in known) != args.exclude:
            kept.append(line)
    if faults:
        raise DataError(f"{args.table} has lines without column {args.column}", faults)
    _print(kept)


def _split_scp(args: argparse.Namespace) -> None:
    from ctaplib.files import atomic_write

    lines, outs = lines_of(args.table), list(args.outs)
    parts, wanted = (args.job[0], [args.job[1] - args.one_based]) if args.job else (len(outs), list(range(len(outs))))
    if args.job and (len(outs) > 1 or not 0 <= wanted[0] < parts):
        raise DataError(f"-j {parts} {args.job[1]} and {len(outs)} files", expected="a part below JOBS, and at most one file")
    shares = _shares(args, lines, parts)
    for place, part in enumerate(wanted):
        if not outs:
            _print(shares[part])
            continue
        with atomic_write(outs[place]) as handle:
            handle.writelines(line + "\n" for line in shares[part])


def _shares(args: argparse.Namespace, lines: list[str], parts: int) -> list[list[str]]:
    """The lines of each part, by speakers where there is a `--utt2spk`."""
    from ctaplib.corpus.shards import deal_evenly, deal_groups
    from ctaplib.files import read_table

    groups, there = [[line] for line in lines], "lines"
    if args.utt2spk:
        utt2spk, by_speaker, there = read_table(args.utt2spk), dict[str, list[str]](), "speakers"
        unknown = [f"{args.table}: {line.split()[0]}" for line in lines if line.split()[0] not in utt2spk]
        if unknown:
            raise DataError(f"{len(unknown)} ids are not in {args.utt2spk}", unknown, fix="correct the table")
        for line in lines:
            by_speaker.setdefault(utt2spk[line.split()[0]], []).append(line)
        groups = list(by_speaker.values())
    if not parts or len(groups) < parts:
        raise DataError(f"{args.table} has {len(groups)} {there} for {parts} parts", expected=f"{there} for every part")
    dealt = deal_groups([len(group) for group in groups], parts) if args.utt2spk else deal_evenly(len(groups), parts)
    return [[line for number in share for line in groups[number]] for share in dealt]
