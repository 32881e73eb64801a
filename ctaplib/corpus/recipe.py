"""What the recipes' `local/data.py` share: options, the corpus's folder, files by name, tables about speakers."""

import argparse
import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ctaplib.corpus.build import MAX_DROPPED_PCT
from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.importing import half_width
from ctaplib.corpus.lists import LISTS_FIX
from ctaplib.errors import CtapError, DataError, counted, shortened
from ctaplib.files import read_encoded


def data_parser(doc: str | None, recipe: Path) -> argparse.ArgumentParser:
    """Declare the options of every `local/data.py`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", default="", help="the unpacked corpus")
    parser.add_argument("--data", type=Path, default=recipe / "data", help="folder of the data directories")
    parser.add_argument("--lists", type=Path, default=recipe / "lists", help="folder of the recipe's lists")
    text = "largest share of a set that may be left out, percent"
    parser.add_argument("--max_dropped_pct", type=float, default=MAX_DROPPED_PCT, help=text)
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def run_recipe(make: Callable[[], None]) -> int:
    """Run what makes data directories; print a fault in one message. Return the exit status."""
    try:
        make()
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def named_folder(corpus_dir: str, expected: str, fix: str) -> Path:
    """Return the folder that --corpus_dir names; raise DataError where none is named, or it is not there."""
    if not corpus_dir:
        raise DataError("no corpus is named: --corpus_dir is empty, and so is its place in db.sh", expected=expected, fix=fix)
    if not Path(corpus_dir).is_dir():
        raise DataError(f"there is no folder {corpus_dir}", expected=expected, fix=fix)
    return Path(corpus_dir)


def contents(folder: Path) -> str:
    """Describe the content of a folder, for messages."""
    names = sorted(path.name for path in folder.iterdir())
    return f"it holds {' '.join(names[:12]) or 'nothing'}{' ...' if len(names) > 12 else ''}"


def files_in(folder: str | Path, endings: tuple[str, ...]) -> dict[str, str]:
    """List the files of a folder by name without the ending; hidden ones are left out.

    Raises DataError where a name has several of the endings.
    """
    found: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            for ending in endings:
                if entry.name.endswith(ending) and not entry.name.startswith("."):
                    found.setdefault(entry.name[: -len(ending)], []).append(entry.path)
    twice = [f"{name}: {' and '.join(sorted(paths))}" for name, paths in sorted(found.items()) if len(paths) > 1]
    if twice:
        what = counted(len(twice), "utterance")
        raise DataError(f"{folder} has several files for {what}", shortened(twice), fix="keep one of them")
    return {name: paths[0] for name, paths in found.items()}


def files_of_speakers(folder: Path, endings: tuple[str, ...]) -> dict[str, str]:
    """List the files of `<folder>/<speaker>/` by name without the ending."""
    speakers = sorted(path for path in folder.resolve().iterdir() if path.is_dir() and not path.name.startswith("."))
    return {name: path for speaker in speakers for name, path in files_in(speaker, endings).items()}


def read_rows(path: Path) -> list[str]:
    """Read the lines of a table about speakers, whatever their names hold: without byte order mark, full-width signs as ASCII."""
    return half_width(path.read_text(encoding="utf-8-sig", errors="replace")).splitlines()


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read lines with their numbers: NFKC, without byte order mark, CR, comments and empty lines."""
    text = read_encoded(path, fix="restore it from the archive")
    for number, line in enumerate(unicodedata.normalize("NFKC", text).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def read_genders(
    path: Path, speakers: Collection[str], parse: Callable[[Sequence[str]], tuple[str, str] | None], example: str
) -> dict[str, str]:
    """Read the sex of every speaker from a table; raise DataError with all bad lines and missing speakers.

    `parse` takes the words of a line and gives the speaker and `m` or `f`, or None where it is not like `example`.
    """
    genders, faults = {}, []
    for number, line in numbered_lines(path):
        found = parse(line.split())
        if found is None:
            faults.append(f"{path}:{number}: {line!r}, expected `{example}`")
        else:
            genders[found[0]] = found[1]
    faults += [f"{path}: there is no line of {spk}" for spk in c_sorted(set(speakers) - genders.keys())]
    if faults:
        raise DataError(f"{path} has {counted(len(faults), 'fault')}", faults, fix="restore it from the archive")
    return {spk: genders[spk] for spk in speakers}


def read_list(lists: Path, name: str) -> set[str]:
    """Read one of the recipe's lists of speakers."""
    return set((lists / name).read_text(encoding="utf-8").split())


def check_speakers(where: str, speakers: Collection[str], listed: Path) -> None:
    """Raise DataError where a set lacks speakers of a list."""
    missing = c_sorted(read_list(listed.parent, listed.name) - set(speakers))
    if missing:
        found = f"{where} lacks speakers of {listed}: {' '.join(missing)}"
        raise DataError(found, expected="all speakers of the corpus", fix=LISTS_FIX)
