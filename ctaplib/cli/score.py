"""Measure everything that the stages made, and write the rows of results.json."""

import argparse
import os
import shlex
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ctap score`."""
    parser.add_argument("--exp_root", type=Path, default=Path("exp"), help="folder of the runs and decoded output")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--dump", type=Path, default=Path("dump"), help="folder of the features")
    parser.add_argument("--lists", type=Path, default=Path("lists"), help="folder of the fixed lists")
    parser.add_argument("--sets", required=True, help="test sets, separated by spaces")
    parser.add_argument("--train_set", default="train", help="set that the speaker probe is fitted on")
    parser.add_argument("--method", default="vqctap", help="method whose rows are made; rows of other methods stay in --out")
    parser.add_argument("--out", type=Path, default=Path("exp/results.json"), help="file of the rows")
    parser.add_argument("--recipe_command", default="", help="command recorded in the rows (default: this one)")
    parser.add_argument(
        "--judge_max_per",
        type=float,
        default=12.0,
        help="results of a judge whose own PER (%%) is higher are null",
    )
    parser.add_argument("--align", type=Path, help="folder of the aligner's run (default: <exp_root>/align)")
    parser.add_argument("--nj", type=int, default=2, help="processes")


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap score`."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ctaplib.evaluate.inputs import Inputs
    from ctaplib.evaluate.results import read_results, write_results
    from ctaplib.evaluate.rows import RowMaker
    from ctaplib.evaluate.scoring import score
    from ctaplib.runs.commit import commit

    inputs = Inputs(
        exp=args.exp_root,
        align=args.align or args.exp_root / "align",
        data=args.data,
        dump=args.dump,
        lists=args.lists,
        sets=tuple(args.sets.split()),
        method=args.method,
        train_set=args.train_set,
        judge_max_per=args.judge_max_per,
    )
    command = args.recipe_command or os.environ.get("RECIPE_COMMAND") or shlex.join(["ctap", *sys.argv[1:]])
    make = RowMaker(commit(), command, {name: inputs.about(name) for name in inputs.sets})
    fix = "move the file away, and score every method again"
    earlier = read_results(args.out, fix=fix) if args.out.exists() else []  # before hours of measuring, not after
    rows = score(inputs, make, args.nj, earlier)
    write_results(args.out, rows)
    measured = sum(row.value is not None for row in rows)
    print(f"{args.out}: {measured} numbers, {len(rows) - measured} rows with the reason why there is none")
    return 0
