"""Functions of both `ctap data` and `ctap kaldi` on data directories."""

import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.errors import DataError

if TYPE_CHECKING:
    from ctaplib.corpus.datadir import DataDir
    from ctaplib.corpus.table_checks import Fault


def subset(source: Path, target: Path, how: str, what: int | Path, *, as_kaldi: bool = False) -> None:
    """Write some utterances of a data directory.

    Args:
        source: The data directory.
        target: The one to write; tables of an earlier one are removed.
        how: `utt_list`, `spk_list`, `first`, `last`, `per_spk`, `shortest`, `speakers` or `even`.
        what: The list, or a number of utterances.
        as_kaldi: Take those of each speaker spread over all that he has, not the first; refuse a number that is too large.

    Raises:
        DataError: There are fewer utterances, or the list names some that are not there.
    """
    from ctaplib.corpus.datadir import read_datadir, subset_by_speakers, write_datadir
    from ctaplib.corpus.datadir import subset as keep
    from ctaplib.corpus.perturb import durations

    data = read_datadir(source)
    utts = data.utt_ids
    if isinstance(what, Path):
        ids = [line.split()[0] for line in lines_of(what)]
        made = subset_by_speakers(data, ids) if how == "spk_list" else keep(data, ids)
    else:
        if how == "per_spk":
            utts = [u for own in data.spk2utt().values() for u in own[:: max(1, len(own) // what) if as_kaldi else 1][:what]]
        elif how == "speakers":
            utts = _of_random_speakers(data.spk2utt(), what)
        elif as_kaldi and what > len(utts):
            raise DataError(f"there are only {len(utts)} utterances", expected=f"at least the {what} that are asked for")
        elif how == "shortest":
            length_s = durations(source, data, nj=1)
            utts = sorted(utts, key=lambda utt: (length_s[utt], utt))[:what]
        elif how == "even":
            utts = evenly(utts, what)
        else:
            utts = utts[:what] if how == "first" else utts[max(0, len(utts) - what) :]
        made = keep(data, utts)
    write_datadir(made, target, alone=True)
    print(f"{target}: {len(made.utt_ids)} of {len(data.utt_ids)} utterances")


def _of_random_speakers(spk2utt: dict[str, list[str]], count: int) -> list[str]:
    speakers, chosen = list(spk2utt), list[str]()
    random.Random(1).shuffle(speakers)
    for spk in speakers:
        chosen += spk2utt[spk] if len(chosen) < count else []
    return chosen


def evenly(utts: Sequence[str], count: int) -> list[str]:
    """Take so many, spread evenly over the list: those that Kaldi's subset_scp.pl takes (half of them from each half)."""
    if len(utts) < 2 or not count:
        return list(utts[:count])
    middle, below = len(utts) // 2, count // 2
    return evenly(utts[:middle], below) + evenly(utts[middle:], count - below)


def combine(sources: Sequence[Path], target: Path) -> None:
    """Join data directories."""
    from ctaplib.corpus.datadir import combine_folders

    joined, lost = combine_folders(sources, target)
    if lost:
        print(f"warning: left out, because not all of them have it: {' '.join(lost)}", file=sys.stderr)
    print(f"{target}: {len(joined.utt_ids)} utterances")


def copy(source: Path, target: Path, *, rename_recordings: bool = True, **names: str) -> None:
    """Copy a data directory, with prefixes and suffixes of ids."""
    from ctaplib.corpus.datadir import copy as renamed
    from ctaplib.corpus.datadir import read_datadir, write_datadir

    if source.resolve() == target.resolve():
        raise DataError(f"{source} would be overwritten by its copy", expected="two different directories")
    write_datadir(renamed(read_datadir(source), rename_recordings=rename_recordings, **names), target, alone=True)
    print(f"{target}: a copy of {source}")


def split(source: Path, parts: int, folder: Path, *, by_speaker: bool) -> None:
    """Split a data directory into `folder/1`, `folder/2` ...

    Raises:
        DataError: It has too few utterances or speakers.
    """
    from ctaplib.corpus.datadir import read_datadir, write_datadir
    from ctaplib.corpus.datadir import split as cut

    made = cut(read_datadir(source), parts, by_speaker=by_speaker)
    if len(made) < parts:
        found = f"{source} has only {len(made)} {'speakers' if by_speaker else 'utterances'}"
        raise DataError(found, expected=f"at least {parts}", fix="ask for fewer parts" + (", or --per-utt" if by_speaker else ""))
    for number, part in enumerate(made, 1):
        write_datadir(part, folder / str(number), alone=True)
    print(f"{folder}: {parts} parts")


def print_faults(faults: Iterable["Fault | str"], name: str = "fault") -> None:
    """Print one fault a line to standard error."""
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)


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


def spk2utt(data: "DataDir") -> Iterable[str]:
    """Return the lines of spk2utt."""
    return (f"{spk} {' '.join(utts)}" for spk, utts in data.spk2utt().items())
