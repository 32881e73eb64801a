#!/usr/bin/env python3
"""Make a small tree with the real layout of a corpus and its known irregularities; audio by eSpeak NG.

    tests/trees/make_tree.py CORPUS DEST [options]        (--help lists the corpora; CORPUS DEST --help its options)

A corpus is a module beside this script with `configure(parser)` and `make(dest, args)`; it is found by its name.
"""

import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_CORPORA = ("make_tree", "voice")


def corpora() -> list[str]:
    """Names of the corpora of which trees can be made."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_CORPORA)


def main(words: list[str] | None = None) -> int:
    """Read the options and make a tree."""
    words = sys.argv[1:] if words is None else words
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False)
    parser.add_argument("corpus", choices=corpora())
    if not words or words[0] in ("-h", "--help"):
        parser.print_help()
        return 0
    name = parser.parse_args(words[:1]).corpus
    corpus = importlib.import_module(name)
    parser = argparse.ArgumentParser(prog=f"make_tree.py {name}", description=corpus.__doc__.splitlines()[0])
    parser.add_argument("dest", type=Path, help="folder that gets the tree (as the archive would be unpacked)")
    parser.add_argument("--nj", type=int, default=2)
    corpus.configure(parser)
    args = parser.parse_args(words[1:])
    corpus.make(args.dest, args)
    print(f"{name}: {sum(1 for path in args.dest.rglob('*') if path.is_file())} files in {args.dest}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
