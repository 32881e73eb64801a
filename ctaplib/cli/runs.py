"""List training runs, compare two configs, draw curves."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ctap runs`."""
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="runs, or folders that hold runs (default: .)")
    parser.add_argument("--diff", nargs=2, type=Path, metavar=("A", "B"), help="print the settings in which two runs differ")
    parser.add_argument("--plot", action="store_true", help="write images/losses.png, learning_rate.png and weights.png")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Run `ctap runs`."""
    from dataclasses import asdict

    from ctaplib.errors import ConfigError
    from ctaplib.runs.listing import find_runs, read_run

    if args.diff:
        if args.folders or args.plot:
            raise ConfigError("--diff takes two runs and nothing else", fix="ctap runs --diff A B")
        return _diff(args.diff[0], args.diff[1], as_json=args.json)
    folders = find_runs(args.folders or [Path()])
    if args.plot:
        return _plot(folders)
    rows = [read_run(folder) for folder in folders]
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
        return 0
    head = ("run", "task", "config", "commit", "state", "step", "best", "loss", "codes", "speed", "age")
    lines = []
    for row in rows:
        of = f"{row.step}/{row.max_steps}" if row.max_steps else f"{row.step}"
        best = "-" if row.best is None else f"{row.best_metric} {row.best:.4g} @ {row.best_step}"
        lines.append((
            row.name, row.task or "-", row.config or "-", row.commit or "-", row.state, of, best, _figure(row.loss, ".4g"),
            _figure(row.codebook_usage_pct, ".0f", " %"), _figure(row.audio_h_per_h, ".0f", " h/h"), _age(row.age_s),
        ))  # fmt: skip
    _table(head, lines)
    for row in rows:
        if row.state == "failed" and row.note:
            print(f"{row.name}: {row.note}")
    return 0


def _diff(one: Path, other: Path, as_json: bool) -> int:
    from ctaplib.runs.listing import config_diff

    found = config_diff(one, other)
    if as_json:
        print(json.dumps({name: list(pair) for name, pair in found.items()}, indent=1, ensure_ascii=False, default=str))
    elif not found:
        print("the configs are the same")
    else:
        _table(("setting", str(one), str(other)), [(n, *("-" if v is None else json.dumps(v, default=str) for v in pair))
                                                    for n, pair in found.items()])  # fmt: skip
    return 0


def _plot(folders: Sequence[Path]) -> int:
    from ctaplib.runs.curves import save_curves

    for folder in folders:
        written = save_curves(folder)
        print("\n".join(map(str, written)) if written else f"{folder}: nothing to draw yet")
    return 0


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    for line in (head, *lines):
        print("  ".join(f"{word:<{width}}" for word, width in zip(line, widths)).rstrip())


def _figure(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
