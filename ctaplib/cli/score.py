"""Measure everything that the stages made, and write the rows of results.json."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from ctaplib.cli._common import add_options, one_thread


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ctap score`."""
    add_options(parser, "exp_root", "align", "data", "dump", "lists", "sets", "train_set", "method", "nj", nj=2)
    text = "file of the rows; rows of other methods stay in it"
    parser.add_argument("--out", type=Path, default=Path("exp/results.json"), help=text)
    parser.add_argument("--recipe_command", default="", help="command recorded in the rows (default: this one)")
    text = "results of a judge whose own PER (%%) is higher are null"
    parser.add_argument("--judge_max_per", type=float, default=12.0, help=text)


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap score`."""
    one_thread()
    from ctaplib.evaluate.inputs import Inputs
    from ctaplib.evaluate.results import read_results, write_results
    from ctaplib.evaluate.rows import RowMaker
    from ctaplib.evaluate.scoring import score
    from ctaplib.runs.commit import commit

    inputs = Inputs(
        exp=args.exp_root, align=args.align or args.exp_root / "align", data=args.data, dump=args.dump, lists=args.lists,
        sets=tuple(args.sets.split()), method=args.method, train_set=args.train_set,
        judge_max_per=args.judge_max_per,
    )  # fmt: skip
    command = args.recipe_command or os.environ.get("RECIPE_COMMAND") or shlex.join(["ctap", *sys.argv[1:]])
    make = RowMaker(commit(), command, {name: inputs.about(name) for name in inputs.sets})
    fix = "move the file away, and score every method again"
    earlier = read_results(args.out, fix=fix) if args.out.exists() else []  # before hours of measuring, not after
    rows = score(inputs, make, args.nj, earlier)
    write_results(args.out, rows)
    measured = sum(row.value is not None for row in rows)
    print(f"{args.out}: {measured} numbers, {len(rows) - measured} rows with the reason why there is none")
    return 0
