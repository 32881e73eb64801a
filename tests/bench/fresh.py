"""Measure forms of one computation, each in a fresh process: CPU seconds, and peak memory above inputs.

A benchmark is a script that calls `compare`, which starts the same script again with `--form` for each form;
so started it calls `measure` and prints the figures as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MKL_NUM_THREADS": "1"}


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    """Most memory that this process has held since `forget_peak`, or since its start where that is not
    allowed."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    """Start the peak anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def measure(work: Callable[[], object]) -> dict[str, float]:
    """Run once and tell what it took; the inputs must exist before."""
    forget_peak()
    before = resident_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_s": cpu, "wall_s": wall, "peak_extra_mb": (peak_bytes() - before) / 2**20}


def run_form(script: str, arguments: Sequence[str], threads: int = 1) -> dict[str, float]:
    """Start a script for one form in a fresh process and read the JSON that it prints last."""
    environment = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, script, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(
    script: str, forms: Sequence[str], arguments: Sequence[str], rounds: int, threads: int = 1
) -> dict[str, dict[str, float]]:
    """Measure every form in turn, several rounds, and give the median of every figure."""
    found: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for number in range(rounds):
        for form in forms:
            found[form].append(run_form(script, ["--form", form, *arguments], threads))
            print(f"round {number + 1}/{rounds}: {form} {found[form][-1]}", file=sys.stderr)
    return {form: {key: statistics.median(each[key] for each in every) for key in every[0]} for form, every in found.items()}


def table(rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out in columns, numbers to three figures."""
    texts = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in texts)
