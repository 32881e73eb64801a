"""Preparation of a VCTK tree as large as the corpus, ours beside lhotse's: wall and CPU time, memory, growth.

Ours is what stages 1 and 2 of egs/vctk do: local/data.py opens every audio and text file once and decodes all of it, `ctap data
validate` checks the sets, `ctap text prepare` finds phones and trains word pieces. lhotse's `prepare_vctk` reads audio headers
and texts, in one process, and stops there. Files are read once before, so the disk is warm. Memory is the sum over all processes,
shared pages counted once (PSS). The tree is generated (tests/trees/vctk.py: 40 recordings under many names, hard links).

    python tests/bench/bench_vctk.py                 # 11,000 and 44,000 utterances
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import fresh

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs" / "vctk"
LIMIT_S, LIMIT_MB, LIMIT_GROWTH = 90.0, 1024.0, 4.4
LHOTSE = (
    "import sys; from lhotse.recipes.vctk import prepare_vctk;"
    "made = prepare_vctk(sys.argv[1], sys.argv[2], use_edinburgh_vctk_url=True, mic_id='mic1');"
    "print(len(made['supervisions']))"
)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def held_mb(pid: int) -> float:
    """Memory of a process and its descendants, shared pages once (PSS)."""
    total = 0
    try:
        for member in family(pid):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):  # a member ended while it was looked at
        return 0.0
    return total / 1024


def measured(command: Sequence[str | Path]) -> tuple[dict[str, float], str]:
    """Run a command; give wall and CPU seconds, peak memory and what it printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    child = subprocess.Popen(
        command, cwd=RECIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **fresh.QUIET, "PYTHONPATH": str(ROOT)}
    )
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            peak[0] = max(peak[0], held_mb(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = child.communicate()
    ended.set()
    watcher.join()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peak[0]}, output


def ours(tree: Path, folder: Path, nj: int) -> tuple[dict[str, dict[str, float]], int]:
    """Stages 1 and 2; give the figures of each step and the number of utterances."""
    sets = ("tr_no_dev", "dev", "eval1")
    ctap = [sys.executable, "-m", "ctaplib.cli.main"]
    steps: dict[str, list[str | Path]] = {
        "data.py": [
            sys.executable, RECIPE / "local/data.py", "--corpus_dir", tree, "--data", folder / "data", "--check_lists", "false",
            "--nj", str(nj),
        ],
        "validate": [*ctap, "data", "validate", "--nj", str(nj), *(folder / "data" / name for name in sets)],
        "text": [
            *ctap, "text", "prepare", "--data", folder / "data", "--dump", folder / "dump", "--sets", " ".join(sets),
            "--train_set", sets[0], "--nj", str(nj), "--config", "conf/text.yaml", "--set", "spm_pieces=500",
        ],
    }  # fmt: skip
    figures = {name: measured(command)[0] for name, command in steps.items()}
    figures["stages 1 and 2"] = {
        key: (max if key == "peak_mb" else sum)(each[key] for each in figures.values()) for key in ("wall_s", "cpu_s", "peak_mb")
    }
    count = sum(len((folder / "data" / name / "utt2spk").read_text().splitlines()) for name in sets)
    return figures, count


def read_once(folder: Path) -> None:
    """Bring all files into the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


def bench(utts: int, base: Path, nj: int, peer: bool) -> dict[str, dict[str, float]]:
    """Make a tree of so many utterances and measure both."""
    tree = base / f"tree{utts}"
    make = [sys.executable, ROOT / "tests/trees/make_tree.py", "vctk", tree, "--copies", str(utts)]
    measured(make)
    read_once(tree)
    figures, count = ours(tree, base / f"ours{utts}", nj)
    if count != utts:
        raise SystemExit(f"{count} utterances were prepared, expected {utts}")
    if peer:
        figures["lhotse"], output = measured([sys.executable, "-c", LHOTSE, tree, base / f"lhotse{utts}"])
        if int(output.split()[-1]) != utts:
            raise SystemExit(f"lhotse prepared {output.split()[-1]} utterances, expected {utts}")
    shutil.rmtree(tree)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utts", type=int, nargs="+", default=[11000, 44000])
    parser.add_argument("--nj", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the trees are made (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    arguments = parser.parse_args()
    peer = importlib.util.find_spec("lhotse") is not None
    if not peer:
        print("lhotse is not installed: no row for it (pip install lhotse)")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as base:
        found = {utts: bench(utts, Path(base), arguments.nj, peer) for utts in arguments.utts}
    rows: list[list[object]] = [["utterances", "step", "wall s", "CPU s", "peak MB"]]
    for utts, figures in found.items():
        rows += [[utts, name, each["wall_s"], each["cpu_s"], each["peak_mb"]] for name, each in figures.items()]
    print(fresh.table(rows))
    first, last = (found[utts]["stages 1 and 2"] for utts in (arguments.utts[0], arguments.utts[-1]))
    scale = arguments.utts[-1] / arguments.utts[0]
    verdicts = [
        ("wall time of stages 1 and 2, s", last["wall_s"], LIMIT_S),
        ("memory, MB", last["peak_mb"], LIMIT_MB),
        (f"growth of wall time for {scale:g} times the files", last["wall_s"] / first["wall_s"], LIMIT_GROWTH / 4 * scale),
    ]
    for name, value, limit in verdicts:
        print(f"ours, {name}: {value:.3g}, at most {limit:.3g}: {'reached' if value <= limit else 'MISSED'}")
    if arguments.json:
        arguments.json.write_text(json.dumps({str(k): v for k, v in found.items()}, indent=2) + "\n", encoding="utf-8")
    return int(any(value > limit for _, value, limit in verdicts))


if __name__ == "__main__":
    sys.exit(main())
