"""Share of the mini recipe's pre-training that waits for data, from the records of a run.

Reads `metrics.jsonl` of the recipe's own run where there is a long enough one (`--run`); else trains a few steps with the
recipe's config, on its data where they are, on the tiny corpus of the tests where they are not.

    python tests/bench/bench_data_wait.py --json data_wait.json
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

MINI = fresh.ROOT / "egs/mini"
GOAL_PCT, LEAST_RECORDS, EVERY = 2.0, 3, 10


def records_of(run: Path) -> list[dict[str, float]]:
    """Training records but the first, in which everything is read and compiled for the first time."""
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [each for each in map(json.loads, lines) if each["split"] == "train" and "data_wait_pct" in each][1:]


def train(folder: Path, steps: int, quick: bool) -> Path:
    """Train so many steps of the recipe's pre-training."""
    base = MINI
    if quick or not (MINI / "dump/stats.npz").exists():
        sys.path.insert(0, str(fresh.ROOT / "tests"))
        from conftest import make_tiny

        make_tiny(folder)
        base = folder
    changed = [f"train.max_steps={steps}", f"train.log_every_steps={EVERY}", f"train.valid_every_steps={steps}"]
    changed.append("alarm_after=2")  # a code book that was hardly trained may be used badly
    words = ["--task", "vqctap", "--config", "conf/pretrain.yaml", "--data", base / "data", "--dump", base / "dump"]
    words += ["--exp", folder / "exp", "--speech_only_set", "train_speech", *[w for c in changed for w in ("--set", c)]]
    command = [sys.executable, "-m", "ctaplib.cli.main", "train", *map(str, words)]
    done = subprocess.run(command, cwd=MINI, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"training failed: {done.stderr[-2000:]}")
    return folder / "exp"


def main() -> None:
    parser = fresh.parser_of(__doc__)
    parser.add_argument("--run", type=Path, default=MINI / "exp/vqctap", help="folder of a run of the recipe")
    parser.add_argument("--steps", type=int, default=60, help="steps to train where there is no run")
    arguments = parser.parse_args()
    records, source = ([] if arguments.quick else records_of(arguments.run)), "the recipe's run"
    if len(records) < LEAST_RECORDS:
        with tempfile.TemporaryDirectory() as folder:
            steps = 2 * EVERY if arguments.quick else arguments.steps
            records, source = records_of(train(Path(folder), steps, arguments.quick)), f"a run of {steps} steps"
    waited = statistics.mean(each["data_wait_pct"] for each in records)
    step_s = statistics.mean(each["step_s"] for each in records)
    note = (
        f"{source}, {1000 * step_s:.0f} ms a step, {statistics.mean(each['audio_h_per_h'] for each in records):.0f} hours an hour"
    )
    row = fresh.row("data wait, mini pre-training", waited, GOAL_PCT, of="ours", peer="", unit=" %", note=note)
    fresh.report({}, [row], [], arguments)


if __name__ == "__main__":
    main()
