"""Measure forms of one computation in turn, each in a process of its own: CPU seconds, and peak memory above inputs.

A benchmark is a script with `FORMS`, a function that prepares the work of a form, and one that makes rows of the figures; it
ends with `fresh.main(...)`. The script starts itself with `--form NAME` once for each form, in the environment that the form
needs. A form measures its work when it has started, and again for every line on its standard input; so the rounds of all
forms are interleaved and imports are paid once. Only the standard library is needed here: peers run this too.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
Figures = dict[str, Any]
Row = dict[str, Any]


def python_of(where: str) -> str:
    """Interpreter of an environment: `ours`, `peers` (made by peers.sh) or `espnet` (made by tools/install_espnet.sh)."""
    if where == "ours":
        return sys.executable
    folder = {"peers": "venv_peers", "espnet": "espnet_venv"}[where]
    return str(Path(os.environ.get(f"CTAP_BENCH_{where.upper()}", ROOT / "tools" / folder)) / "bin/python")


@dataclass(frozen=True)
class Form:
    """One way to do the work.

    Attributes:
        name: Its name in tables.
        where: Environment it runs in, see `python_of`.
        needs: Modules that must be installed there, separated by spaces.
    """

    name: str
    where: str = "ours"
    needs: str = ""

    def lacks(self) -> str:
        """Why it cannot run here; empty where it can."""
        if not Path(python_of(self.where)).exists():
            return f"{self.name}: no environment {self.where}"
        finds = f"import importlib.util as u; print(*[n for n in {self.needs.split()!r} if not u.find_spec(n)])"
        found = subprocess.run([python_of(self.where), "-c", finds], capture_output=True, text=True, check=False)
        return f"{self.name}: not installed: {found.stdout.strip()}" if found.stdout.strip() else ""


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


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(work: Callable[[], object]) -> Figures:
    """Run once and tell what it took; the inputs must exist before. A mapping that the work returns is added."""
    forget_peak()
    before = resident_bytes()
    cpu, wall = cpu_s(), time.perf_counter()
    result = work()
    cpu, wall = cpu_s() - cpu, time.perf_counter() - wall
    found = {"cpu_s": cpu, "wall_s": wall, "peak_extra_mb": (peak_bytes() - before) / 2**20}
    return found | result if isinstance(result, dict) else found


def serve(work: Callable[[], object]) -> None:
    """Measure now, and once more for every line of standard input; print each time a line of JSON."""
    print(json.dumps(measure(work)), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(work)), flush=True)


class FormError(SystemExit):
    """A form ended instead of measuring."""


class Worker:
    """A form in a process of its own."""

    def __init__(self, script: str, form: Form, arguments: Sequence[str], threads: int) -> None:
        count = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        environment = {**os.environ, **QUIET, **count, "PYTHONWARNINGS": "ignore"}
        if form.where == "ours":
            environment["PYTHONPATH"] = str(ROOT)
        else:
            environment.pop("PYTHONPATH", None)
        command = [python_of(form.where), script, "--form", form.name, *arguments]
        self.form, self.first = form, True
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self) -> Figures:
        """Have it measure once and read what it found."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if not self.first:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        self.first = False
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise FormError(f"{self.form.name} ended with {self.process.wait()} and no figures; see above")

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run_form(script: str, form: Form, arguments: Sequence[str], threads: int = 1) -> Figures:
    """Measure a form once in a fresh process."""
    worker = Worker(script, form, arguments, threads)
    figures = worker.round()
    worker.close()
    return figures


def compare(script: str, forms: Sequence[Form], arguments: Sequence[str], rounds: int, threads: int = 1) -> dict[str, Figures]:
    """Measure every form in turn, several rounds, and give the median of every number.

    Memory is that of the first round, for later ones find memory that the process already holds. What is no number is
    that of the first round. `rounds_cpu_s` lists the CPU seconds of all. A peer that fails is left out, and said to be.

    Raises:
        FormError: a form of ours failed.
    """
    workers: dict[str, Worker] = {}
    found: dict[str, list[Figures]] = {form.name: [] for form in forms}
    for number in range(rounds):
        for form in [each for each in forms if each.name in found]:
            try:
                if number == 0:
                    workers[form.name] = Worker(script, form, arguments, threads)
                figures = workers[form.name].round()
            except FormError as error:
                if form.where == "ours":
                    raise
                print(f"left out: {error}", file=sys.stderr)
                del found[form.name]
                continue
            found[form.name].append(figures)
            print(f"round {number + 1}/{rounds}: {form.name} {figures['cpu_s']:.4g} CPU s", file=sys.stderr)
    for worker in workers.values():
        worker.close()
    return {form: _medians(every) for form, every in found.items()}


def _medians(every: list[Figures]) -> Figures:
    first = every[0]
    numbers = {k for k, v in first.items() if isinstance(v, int | float) and k != "peak_extra_mb"}
    medians = {k: statistics.median(each[k] for each in every) if k in numbers else v for k, v in first.items()}
    return medians | {"rounds_cpu_s": [each["cpu_s"] for each in every]}


def row(
    part: str, ratio: float | None, goal: float | None, *, of: str, peer: str, note: str = "", unit: str = "", least: bool = False
) -> Row:
    """One line of the table: what was compared, with which peer, what came out, what is wanted (at most `goal`).

    `unit` is that of a ratio that is none (percent, seconds); `goal` is None where nothing was asked. With `least`, more is
    better, and the goal is the least that is wanted.
    """
    met = None if ratio is None or goal is None else bool(ratio >= goal if least else ratio <= goal)
    told = {"part": part, "of": of, "peer": peer, "ratio": ratio, "goal": goal, "met": met, "unit": unit, "note": note}
    return told | {"least": least}


def best_of(figures: dict[str, Figures], ours: Sequence[str], key: str = "cpu_s") -> str:
    """Name of the peer with the smallest figure."""
    return min((name for name in figures if name not in ours), key=lambda name: figures[name][key])


def table(rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out in columns, numbers to three figures."""
    texts = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in texts)


def parser_of(doc: str, rounds: int = 5, threads: int = 1) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--quick", action="store_true", help="small inputs: checks that results are equal, times say nothing")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--form", help="measure this form alone and print JSON")
    return parser


def report(figures: dict[str, Figures], rows: Sequence[Row], missing: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print the figures and rows, and write them where asked."""
    names = [k for k, v in next(iter(figures.values()), {}).items() if isinstance(v, int | float)]
    if figures:
        print(table([["form", *names], *[[f, *[each.get(n, "") for n in names]] for f, each in figures.items()]]))
    for name in missing:
        print(f"left out: {name}")
    for each in rows:
        verdict = {True: "reached", False: "MISSED", None: "no goal"}[each["met"]]
        shown = "not measured" if each["ratio"] is None else f"{each['ratio']:.3g}{each['unit']}"
        bound = "at least" if each["least"] else "at most"
        print(f"{each['part']}, {each['of']} to {each['peer']}: {shown}, {bound} {each['goal']}: {verdict}. {each['note']}")
    if arguments.json:
        options = {k: str(v) if isinstance(v, Path) else v for k, v in vars(arguments).items()}
        found = {"arguments": options, "figures": figures, "rows": list(rows), "missing": list(missing)}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def main(
    script: str,
    doc: str,
    forms: Sequence[Form],
    prepare: Callable[[str, bool], Callable[[], object]],
    rows: Callable[[dict[str, Figures], bool], list[Row]],
    threads: int = 1,
) -> None:
    """The whole of a plain benchmark: `prepare` gives the work of a form, `rows` the table's rows."""
    arguments = parser_of(doc, threads=threads).parse_args()
    if arguments.form:
        serve(prepare(arguments.form, arguments.quick))
        return
    reasons = {form.name: form.lacks() for form in forms}
    there = [form for form in forms if not reasons[form.name]]
    rounds = 1 if arguments.quick else arguments.rounds
    figures = compare(script, there, ["--quick"] if arguments.quick else [], rounds, arguments.threads)
    failed = [f"{form.name}: it failed to run" for form in there if form.name not in figures]
    report(figures, rows(figures, arguments.quick), [*[r for r in reasons.values() if r], *failed], arguments)
