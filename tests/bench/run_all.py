"""Every benchmark, one command: ours beside peers, a file of results, and the table of docs/performance.md.

    python tests/bench/run_all.py                  # all, some forty minutes
    python tests/bench/run_all.py --only vq        # one; the rows of the others stay as they were
    python tests/bench/run_all.py --quick          # small inputs, equality alone; nothing is written

Peers live in environments of their own: tests/bench/peers.sh and tools/install_espnet.sh make them, `--install` runs both.
A peer that is not there is named and left out; a benchmark that fails is a row that says so, and the rest goes on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import yaml

HERE = Path(__file__).parent
BENCHES = (
    "contrastive", "vq", "train_step", "loop", "padding", "viterbi", "batches", "startup", "data_wait",
    "logmel", "features", "mas", "speech", "ddp", "recipe",
)  # fmt: skip
RESULTS, TRIED, PAGE = HERE / "results.json", HERE / "tried.yaml", fresh.ROOT / "docs/performance.md"
LIMIT_S = 900
BEGIN, END = "<!-- made by tests/bench/run_all.py -->", "<!-- end of what is made -->"
PACKAGES = "torch torchaudio numpy scipy numba kaldiio lhotse librosa espnet vector-quantize-pytorch kaldi-native-fbank"


def machine() -> dict[str, Any]:
    """The processor, its number formats, and how busy it is."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info)}
    flags = fields.get("flags", "").split()
    load = os.getloadavg()[0]
    return {
        "processor": fields.get("model name", platform.processor()), "cores": os.cpu_count(),
        "formats": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags], "load": round(load, 2),
    }  # fmt: skip


def versions() -> dict[str, dict[str, str]]:
    """Versions of what matters, by environment."""
    code = (
        "import json, sys\nfrom importlib import metadata\nfound = {}\nfor name in sys.argv[1:]:\n try: found[name] = "
        "metadata.version(name)\n except metadata.PackageNotFoundError: pass\nprint(json.dumps(found))"
    )
    found = {"ours": {"python": platform.python_version(), "ctaplib": metadata.version("ctaplib")}}
    for where in ("ours", "peers", "espnet"):
        if Path(fresh.python_of(where)).exists():
            command = [fresh.python_of(where), "-c", code, *PACKAGES.split()]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            found[where] = found.get(where, {}) | json.loads(answer.stdout)
    return found


def commit() -> str:
    """The version measured; `+` where there are changes that it does not hold."""
    git = ["git", "-C", str(fresh.ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "-uno", "ctaplib"], capture_output=True, text=True, check=False)
    return (name or "unknown") + ("+" if changed.stdout.strip() else "")


def run_one(name: str, quick: bool, rounds: int) -> dict[str, Any]:
    """Run a benchmark; give its figures and rows, or a row that says how it failed."""
    script = str(HERE / f"bench_{name}.py")
    words = ["--quick"] if quick else ["--rounds", str(rounds)]
    started, busy = time.monotonic(), machine()["load"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        environment = {**os.environ, **fresh.QUIET, "PYTHONPATH": str(fresh.ROOT)}
        command = [sys.executable, script, *words, "--json", str(target)]
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            status: int | str = child.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()
            status = f"no end after {LIMIT_S} s"
        found = json.loads(target.read_text(encoding="utf-8")) if status == 0 and target.exists() else None
    if found is None:
        rows = [fresh.row(name, None, None, of="ours", peer="", note=f"failed: {status}")]
        found = {"figures": {}, "rows": rows, "missing": [], "failed": True}
    taken = {"measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "commit": commit(), "load_before": busy}
    return found | taken | {"took_s": round(time.monotonic() - started)}


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Put new results in place of old ones of the same name, in the order of `BENCHES`."""
    joined = old.get("benches", {}) | new
    return {
        "machine": machine(),
        "versions": versions(),
        "benches": {name: joined[name] for name in BENCHES if name in joined},
    }


def shown(value: float | None, unit: str) -> str:
    """Three figures and the unit."""
    return "" if value is None else f"{value:.3g}{unit}"


def table(results: dict[str, Any], tried: dict[str, str]) -> str:
    """The part of the page that is made of results."""
    facts, found = results["machine"], results["benches"]
    lines = [
        f"Machine: {facts['processor']}, {facts['cores']} cores ({', '.join(facts['formats'])}). Load before tells how "
        "busy it was.",
        "",
    ]
    for where, names in results["versions"].items():
        lines.append(f"* {where}: {', '.join(f'{name} {version}' for name, version in names.items())}")
    lines += ["", "| part | compared | goal | ratio | met | measured (UTC), commit, load |", "|---|---|--:|--:|---|---|"]
    notes = ["", "What the rows rest on:", ""]
    for name, bench in found.items():
        when = f"{bench['measured']}, {bench['commit']}, {bench['load_before']}"
        for row in bench["rows"]:
            met = {True: "yes", False: "**no**", None: "not measured" if row["ratio"] is None else "no goal"}[row["met"]]
            against = f"{row['of']} / {row['peer']}" if row["peer"] else row["of"]
            bound = "at least " if row.get("least") and row["goal"] is not None else ""
            goal, ratio = bound + shown(row["goal"], row["unit"]), shown(row["ratio"], row["unit"])
            lines.append(f"| {row['part']} | {against} | {goal} | {ratio} | {met} | {when} |")
            if row["note"]:
                notes.append(f"* {row['part']}, {row['of']}: {row['note']}.")
        notes += [f"* {name}: left out: {reason}." for reason in bench["missing"]]
    missed = {row["part"] for bench in found.values() for row in bench["rows"] if row["met"] is False}
    told = ["", "What was tried where a goal is not met:", ""]
    told += [f"* {part}: {tried.get(part, 'nothing is written down yet')}" for part in sorted(missed)]
    return "\n".join([*lines, *notes, *(told if missed else [])])


def write_page(results: dict[str, Any]) -> None:
    """Replace the made part of docs/performance.md."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    tried = yaml.safe_load(TRIED.read_text(encoding="utf-8")) or {}
    PAGE.write_text(f"{head}{BEGIN}\n\n{table(results, tried)}\n\n{END}{tail}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=BENCHES, help="this benchmark (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="small inputs: equality is checked, times say nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--install", action="store_true", help="make the environments of the peers first")
    arguments = parser.parse_args()
    for script in ("tests/bench/peers.sh", "tools/install_espnet.sh") if arguments.install else ():
        if subprocess.run([fresh.ROOT / script], check=False).returncode:
            print(f"{script} failed: going on without what it makes", file=sys.stderr)
    found = {name: run_one(name, arguments.quick, arguments.rounds) for name in arguments.only or BENCHES}
    failed = [name for name, each in found.items() if each.get("failed")]
    if not arguments.quick:
        old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results = merge(old, found)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write_page(results)
        print(f"{RESULTS}\n{PAGE}")
    missed = [f"{r['part']} ({r['of']})" for each in found.values() for r in each["rows"] if r["met"] is False]
    if missed and not arguments.quick:
        print(f"goals not met: {'; '.join(missed)}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
