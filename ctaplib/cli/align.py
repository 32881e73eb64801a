"""Train the forced aligner, align sets or a file, import alignments, score them."""

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ctaplib.cli import train as training
from ctaplib.cli._common import add_options, fast_imports, one_thread


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs of `ctap align`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    train = verbs.add_parser("train", help="train an aligner from audio and phones: `ctap train --task align`")
    training.configure(train, task="align")
    train.add_argument("--nj", type=int, help="processors that one process may use (OMP_NUM_THREADS, else 1)")

    align = verbs.add_parser("run", help="align sets with a trained aligner")
    add_options(align, "data", "dump", "sets", "nj")
    align.add_argument("--exp", type=Path, default=Path("exp/align"), help="folder of the aligner")
    _outputs(align)

    file = verbs.add_parser("file", help="align one audio file; prints CTM lines")
    file.add_argument("wav", type=Path, help="audio file")
    file.add_argument("--exp", type=Path, default=Path("exp/align"), help="folder of the aligner")
    file.add_argument("--phones", required=True, help="phones spoken in the file, separated by spaces")
    file.add_argument("--textgrid", type=Path, help="write a TextGrid as well")

    importing = verbs.add_parser("import", help="import CTM files or TextGrids made elsewhere")
    add_options(importing, "data", "dump", "sets")
    importing.add_argument("--from", dest="source", type=Path, required=True, help="folder of CTM files or TextGrids")
    importing.add_argument("--tier", default="phones", help="phone tier of the TextGrids")
    _outputs(importing)

    score = verbs.add_parser("score", help="measure phone starts against true times")
    add_options(score, "data", "dump", "sets")
    score.add_argument("--exp", type=Path, default=Path("exp/align"), help="folder to write score_<set>.json to")


def run(args: argparse.Namespace) -> int | None:
    """Run `ctap align`."""
    if args.verb == "train" and args.nj is not None:
        os.environ["OMP_NUM_THREADS"] = str(args.nj)
    one_thread()
    if args.verb == "train":
        return training.run(args)
    {"run": _run, "file": _file, "import": _import, "score": _score}[args.verb](args)
    return 0


def _outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--textgrid", action="store_true", help="write data/<set>/textgrid/ as well")
    parser.add_argument("--max_unaligned_pct", type=float, help="largest share of unaligned utterances, %%")


def _run(args: argparse.Namespace) -> None:
    with fast_imports():
        from ctaplib.align.aligner import Aligner
        from ctaplib.align.sets import align_set

    aligner = Aligner.load(args.exp)
    for name in args.sets.split():
        align_set(
            aligner, args.data / name, args.dump / name, jobs=args.nj, textgrids=args.textgrid,
            max_unaligned_pct=args.max_unaligned_pct,
        )  # fmt: skip


def _file(args: argparse.Namespace) -> None:
    with fast_imports():
        from ctaplib.align.aligner import Aligner
        from ctaplib.corpus.alignment import write_textgrid
        from ctaplib.errors import DataError

    outcome = Aligner.load(args.exp).align_file(args.wav, args.phones.split())
    if outcome.status != "aligned":
        raise DataError(f"{args.wav} is not aligned: {outcome.status}: {outcome.reason}")
    for phone, start_s, end_s in outcome.alignment:
        print(f"{args.wav.stem} 1 {start_s:.4f} {end_s - start_s:.4f} {phone}")
    if args.textgrid:
        write_textgrid(args.textgrid, outcome.alignment)


def _import(args: argparse.Namespace) -> None:
    from ctaplib.align.sets import import_set

    limit_pct = 2.0 if args.max_unaligned_pct is None else args.max_unaligned_pct
    for name in args.sets.split():
        import_set(
            args.source, args.data / name, args.dump / name, textgrids=args.textgrid, tier=args.tier,
            max_unaligned_pct=limit_pct,
        )  # fmt: skip


def _score(args: argparse.Namespace) -> None:
    score_sets(args.data, args.dump, args.exp, args.sets.split())


def score_sets(data: Path, dump: Path, exp: Path, sets: Sequence[str]) -> None:
    """Write rows of the aligner and of others in `<exp>/<system>/<set>` to `<exp>/score_<set>.json`, and print them."""
    from ctaplib.evaluate.inputs import Inputs
    from ctaplib.evaluate.results import write_results
    from ctaplib.evaluate.rows import RowMaker
    from ctaplib.evaluate.score_align import rows
    from ctaplib.runs.commit import commit

    make = RowMaker(commit(), shlex.join(["ctap", "align", "score", "--sets", " ".join(sets)]))
    for name in sets:
        inputs = Inputs(exp.parent, exp, data, dump, Path("lists"), (name,))
        made = rows(inputs, {}, make)
        write_results(exp / f"score_{name}.json", made)
        for row in made:
            value = f"null ({row.why})" if row.value is None else f"{row.value:.2f} {row.unit}"
            print(f"{row.set} {row.system:10} {row.metric:26} {value}")
