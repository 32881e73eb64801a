"""Write RESULTS.md and the page with audio, plots and tables."""

import argparse
from pathlib import Path

from ctaplib.cli._common import add_options, one_thread


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ctap report`."""
    add_options(parser, "exp_root", "data", "dump", "lists", "align", "method")
    parser.add_argument("--results", type=Path, default=Path("exp/results.json"), help="rows of this run")
    parser.add_argument("--sets", help="test sets (default: those of the rows)")
    parser.add_argument("--out", type=Path, default=Path("exp/report"), help="folder of the page")
    parser.add_argument("--results_md", type=Path, help="where to write RESULTS.md")
    parser.add_argument("--kept", type=Path, help="folder of rows kept from earlier runs, for RESULTS.md (default: none)")
    parser.add_argument("--paper_rows", type=Path, help="published numbers (default: the recipe's own and the shared ones)")
    parser.add_argument("--title", help="name of the recipe (default: name of the working folder)")


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap report`."""
    one_thread()
    from ctaplib.evaluate.results import merge, read_results

    rows = read_results(args.results)  # first: a missing or broken file is reported before much is imported
    from ctaplib.report.paper_rows import read_paper_rows, read_recipe_rows

    papers = read_paper_rows(args.paper_rows) if args.paper_rows else read_recipe_rows(Path.cwd())
    from ctaplib.evaluate.inputs import Inputs
    from ctaplib.files import atomic_write
    from ctaplib.report.inputs import environment
    from ctaplib.report.report import page_html, results_md  # here: matplotlib takes seconds to import

    title = args.title or Path.cwd().name
    facts = environment()
    sets = args.sets.split() if args.sets else list(dict.fromkeys(row.set for row in rows))
    inputs = Inputs(
        exp=args.exp_root, align=args.align or args.exp_root / "align", data=args.data, dump=args.dump,
        lists=args.lists, sets=tuple(sets), method=args.method,
    )  # fmt: skip
    path = args.out / "index.html"
    with atomic_write(path) as out:
        out.write(page_html(f"ctaplib: {title}", inputs, rows, papers, facts))
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    if args.results_md:
        kept = [row for file in sorted(args.kept.glob("*.json") if args.kept else ()) for row in read_results(file)]
        with atomic_write(args.results_md) as out:
            out.write(results_md(title, merge(kept, rows), papers, facts))
        print(args.results_md)
    return 0
