"""The mini recipe as jobs of a cluster, cancelled midway and started again, ends with what one machine makes."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctaplib.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipe"))
from recipe_copy import copy_of

PRETRAIN = "train.max_steps=120 train.valid_every_steps=60 train.save_every_steps=5 batch.batch_s=8.0 alarm_after=2.0"
OPTIONS = ("--config", "../../tests/recipe/tiny.sh", "--ngpu", "0", "--nj", "2", "--pretrain_args", PRETRAIN)
CLUSTER = ("--cmd_backend", "slurm", "--num_nodes", "2", "--nproc", "1")
TIMED = ("rtf",)
WAIT_S = 300.0


class Recipe:
    """A copy of the mini recipe that runs somewhere."""

    def __init__(self, base: Path, env: dict[str, str], *options: str) -> None:
        self.path, self.env, self.options = copy_of("mini", base), env, options

    def start(self, first: int, last: int) -> subprocess.Popen[str]:
        """Run stages; what they print goes to `output.log`, which begins anew."""
        env = {**self.env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        stages = ("--stage", str(first), "--stop_stage", str(last))
        with open(self.path / "output.log", "w") as out:
            words = ["./run.sh", *OPTIONS, *self.options, *stages]
            return subprocess.Popen(words, cwd=self.path, env=env, stdout=out, stderr=subprocess.STDOUT, text=True)

    @property
    def output(self) -> str:
        """What the last start printed."""
        return (self.path / "output.log").read_text()

    def run(self, first: int, last: int) -> str:
        """Run stages to their end."""
        assert self.start(first, last).wait() == 0, self.output[-4000:]
        return self.output

    def wait_for(self, pattern: str) -> re.Match[str]:
        """What the last start printed, as soon as it did."""
        return wait_for(lambda: re.search(pattern, self.output), f"{pattern!r} in {self.output[-2000:]}")

    def files(self, pattern: str) -> dict[str, bytes]:
        """Content of files below the folder of the runs; index.tsv without what a clock measured."""
        found = {str(p.relative_to(self.path)): p for p in sorted((self.path / "exp_tiny").glob(pattern)) if p.is_file()}
        return {name: _untimed(path) for name, path in found.items()}


def _untimed(path: Path) -> bytes:
    if path.name == "index.tsv":
        return b"\n".join(line.rpartition(b"\t")[0] for line in path.read_bytes().splitlines())
    return b"" if path.name == "wav.scp" else path.read_bytes()


def wait_for(condition, what: str):
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT_S:.0f} s for {what}"
        time.sleep(0.1)
    return found


def same(ours: object, theirs: object) -> bool:
    """Whether two states are equal, bit for bit."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool((ours == theirs).all()) if hasattr(ours, "shape") else ours == theirs


@pytest.mark.slow
def test_a_recipe_on_a_cluster_is_cancelled_and_ends_with_the_same_results(tmp_path: Path, cluster: dict[str, str]) -> None:
    def scancel(*words: str) -> None:
        subprocess.run(["scancel", *words], env=cluster, check=True)

    here = Recipe(tmp_path / "here", dict(os.environ), "--nproc", "2")
    there = Recipe(tmp_path / "there", cluster, *CLUSTER)
    here.run(1, 12)
    known = here.files("decode/**/*")
    assert len(known) > 50

    # Features and alignment are job arrays.
    output = there.run(1, 4)
    for what in ("features train", "features test_unseen", "align train", "align test_unseen"):
        assert f"{what}: job array" in output
    data = [tmp_path / place / "egs/mini/data_tiny/train/phones.ctm" for place in ("here", "there")]
    assert data[0].read_bytes() == data[1].read_bytes()

    # Pre-training: stopped by SIGTERM, cancelled, pre-empted by another job, and not disturbed in between.
    checkpoint = there.path / "exp_tiny/vqctap/checkpoints/last.pt"
    for how in (["--signal=TERM"], []):
        child = there.start(5, 5)
        job = there.wait_for(r"submitted job (\d+): 2 machine")[1]
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        there.wait_for("training vqctap: .* 2 process")
        wait_for(lambda before=before: checkpoint.exists() and checkpoint.stat().st_mtime_ns != before, "a checkpoint")
        scancel(*how, job)
        assert child.wait() != 0
        assert "asked to stop: saved step" in there.output and "to go on: ./run.sh" in there.output
        assert "asked to stop: saved step" in (there.path / "exp_tiny/log/05_pretrain.log").read_text()
    child = there.start(5, 5)
    job = there.wait_for(r"submitted job (\d+)")[1]
    there.wait_for("training vqctap: .* 2 process")
    urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1"]
    subprocess.run(urgent, env=cluster, check=True)
    assert child.wait() == 0, there.output[-3000:]
    assert "saved, as it is pre-empted; queued again" in there.output and f"job {job} on node[1-2], start 2" in there.output
    ours, theirs = (load_checkpoint(r.path / "exp_tiny/vqctap/checkpoints/last.pt") for r in (there, here))
    assert theirs["position"]["step"] == 120
    assert same(ours["model"], theirs["model"]) and same(ours["optimizers"], theirs["optimizers"])

    # Everything else that trains; then decoding, of which one task is cancelled.
    there.run(6, 10)
    child = there.start(11, 11)
    record = there.path / "exp_tiny/log/11_decode.jobs/decode/job.json"
    wait_for(record.exists, "the job array of decoding")
    scancel(f"{json.loads(record.read_text())['job']}_2")
    assert child.wait() != 0
    assert re.search(
        r"first error: decode: 1 of 8 tasks of job array \d+ .*task 2: (CANCELLED|cancelled) .*log\.2", there.output
    ), there.output
    there.run(11, 11)
    assert "measuring: job array" in there.run(12, 12)
    assert there.files("decode/**/*") == known
    rows = [json.loads((r.path / "exp_tiny/results.json").read_text()) for r in (here, there)]
    values = [{(w["task"], w["metric"], w["set"], w["system"]): w["value"] for w in r if w["metric"] not in TIMED} for r in rows]
    assert values[0] == values[1]
    assert not list((there.path / "exp_tiny/log").glob("*.jobs"))
    left = subprocess.run(["squeue", "--noheader"], env=cluster, capture_output=True, text=True, check=True)
    assert not left.stdout


@pytest.mark.slow
def test_a_driver_that_is_stopped_cancels_its_job_and_one_that_is_killed_leaves_it(
    tiny: Path, tmp_path: Path, cluster: dict[str, str]
) -> None:
    """The job outlives a killed driver, and the same command follows it; SIGTERM of the driver cancels it."""
    from small_configs import SMALL

    sets = ["batch.batch_s=12", "train.max_steps=400", "train.save_every_steps=5", "train.best=per_ctc", *SMALL["vqctap"]]
    options = ["--num_nodes", "2", "--cmd_backend", "slurm", "--"]
    words = ["--task", "vqctap", "--exp", str(tmp_path / "exp"), "--speech_only_set", "train_speech"]
    words += [word for value in sets for word in ("--set", value)]
    script = Path(__file__).resolve().parents[2] / "utils/launch.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**cluster, "PATH": path, "CTAP_JOBS": str(tmp_path / "jobs"), "OMP_NUM_THREADS": "1"}
    log = tmp_path / "log"

    def start() -> subprocess.Popen[bytes]:
        with open(log, "w") as out:
            return subprocess.Popen([script, *options, *words], cwd=tiny, env=env, stdout=out, stderr=subprocess.STDOUT)

    child = start()
    job = wait_for(lambda: re.search(r"submitted job (\d+)", log.read_text()), "the job")[1]
    child.kill()
    child.wait()
    child = start()
    wait_for(lambda: f"job {job} of an earlier start is there: following it" in log.read_text(), "the same job")
    wait_for((tmp_path / "exp/checkpoints/last.pt").exists, "a checkpoint")
    child.terminate()
    assert child.wait() == 143
    assert f"cancelling job {job}" in log.read_text()
    left = lambda: subprocess.run(["squeue", "--noheader"], env=cluster, capture_output=True, text=True).stdout  # noqa: E731
    wait_for(lambda: not left(), "the end of the job")
    assert 0 < load_checkpoint(tmp_path / "exp/checkpoints/last.pt")["position"]["step"] < 400


@pytest.mark.slow
def test_machines_that_meet_without_slurm_train_what_one_machine_trains(tiny: Path, tmp_path: Path) -> None:
    """Two starts on this machine, as if they were two machines."""
    from small_configs import SMALL

    sets = ["batch.batch_s=12", "train.max_steps=5", "train.valid_every_steps=5", "train.best=per_ctc", *SMALL["asr"]]
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    script = Path(__file__).resolve().parents[2] / "utils/launch.sh"

    def start(exp: str, *options: str) -> subprocess.Popen[bytes]:
        words = ["--task", "asr", "--exp", str(tmp_path / exp), *(word for value in sets for word in ("--set", value))]
        return subprocess.Popen([script, *options, "--", *words], cwd=tiny, env=env)

    met = [start("two", "--num_nodes", "2", "--rdzv_endpoint", f"localhost:{port}") for _ in range(2)]
    assert [child.wait() for child in met] == [0, 0]
    assert start("one", "--nproc", "2").wait() == 0
    ours, theirs = (load_checkpoint(tmp_path / name / "checkpoints/last.pt") for name in ("two", "one"))
    assert same(ours["model"], theirs["model"]) and theirs["position"]["step"] == 5


@pytest.mark.slow
def test_a_node_that_never_joins_ends_the_others(tmp_path: Path, cluster: dict[str, str]) -> None:
    """On the second node, Python does nothing but wait."""
    here = Path(sys.executable).parent
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time\nif os.environ.get('SLURM_NODEID') == '1':\n    time.sleep(300)\n"
    )
    env = {**cluster, "PATH": f"{here}:{os.environ['PATH']}", "CTAP_JOBS": str(tmp_path / "jobs")}
    env["PYTHONPATH"] = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    words = ["--cmd_backend", "slurm", "--num_nodes", "2", "--join_timeout", "3", "--", "--task", "asr", "--exp", "exp"]
    script = Path(__file__).resolve().parents[2] / "utils/launch.sh"
    started = time.monotonic()
    done = subprocess.run([script, *words], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and time.monotonic() - started < 60
    assert "machine node1: 0 of 2" in done.stdout and "error: node1: 2 machines did not meet at " in done.stdout
    assert "within 3 s: " in done.stdout and "machine node2" not in done.stdout


@pytest.mark.slow
def test_an_impossible_request_is_told_at_once(tiny: Path, tmp_path: Path, cluster: dict[str, str]) -> None:
    """GPUs that the cluster does not have, and more machines than it has."""
    script = Path(__file__).resolve().parents[2] / "utils/launch.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**cluster, "PATH": path, "CTAP_JOBS": str(tmp_path / "jobs")}
    for options in (["--ngpu", "2"], ["--num_nodes", "9"]):
        words = [script, "--cmd_backend", "slurm", *options, "--", "--task", "asr", "--exp", str(tmp_path / "exp")]
        done = subprocess.run(words, cwd=tiny, env=env, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        assert "error: sbatch refused the job" in done.stderr or "would never start: PartitionConfig" in done.stderr
