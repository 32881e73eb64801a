#!/usr/bin/env python3
"""Unpack the archives of the speakers of AISHELL-1: `data_aishell/wav/S0002.tar.gz` and so on, into `wav/{train,dev,test}/`.

Archives stay where they are. A speaker whose folder exists is skipped; one whose unpacking was interrupted is unpacked again,
because a folder gets its name when it is whole.
"""

import argparse
import shutil
import sys
from pathlib import Path

from ctaplib.corpus.download import unpack
from ctaplib.errors import CtapError, DataError
from ctaplib.runs.log import progress

PARTS = ("train", "dev", "test")


def unpack_speaker(archive: Path, wav: Path) -> bool:
    """Unpack one archive, unless its speaker is there; return whether anything was done."""
    speaker = archive.name.removesuffix(".tar.gz")
    if any((wav / part / speaker).is_dir() for part in PARTS):
        return False
    partial = wav / f".{speaker}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    unpack(archive, partial)
    folders = [path for part in PARTS if (path := partial / part / speaker).is_dir()]
    if len(folders) != 1:
        found = sorted(str(path.relative_to(partial)) for path in partial.rglob("*") if path.is_dir())
        shutil.rmtree(partial)
        raise DataError(
            f"{archive} holds {' '.join(found[:5]) or 'no folder'}", expected=f"one of {{train,dev,test}}/{speaker}",
            fix="unpack data_aishell.tgz again",
        )  # fmt: skip
    target = wav / folders[0].relative_to(partial)
    target.parent.mkdir(exist_ok=True)
    folders[0].rename(target)
    shutil.rmtree(partial)
    return True


def main() -> int:
    """Read the options and unpack all archives; all broken ones are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus_dir", type=Path, required=True, help="folder of data_aishell, or data_aishell itself")
    args = parser.parse_args()
    wav = next((d for d in (args.corpus_dir / "data_aishell" / "wav", args.corpus_dir / "wav") if d.is_dir()), None)
    if wav is None:
        print(f"error: there is no folder wav in {args.corpus_dir} or its data_aishell; unpack data_aishell.tgz", file=sys.stderr)
        return 1
    archives, faults, done = sorted(wav.glob("S*.tar.gz")), [], 0
    for archive in progress(archives, total=len(archives), what="speakers"):
        try:
            done += unpack_speaker(archive, wav)
        except CtapError as error:
            faults.append(f"error: {error}")
    print(f"{wav}: {len(archives)} archives, {done} unpacked now, {len(archives) - done - len(faults)} there before")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
