"""Faults while several processes train: all end, in under a minute, with the cause; the last checkpoint is whole.

Runs are started as recipes start them, by utils/launch.sh.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from small_configs import SMALL

from ctaplib.checkpoint import load_checkpoint
from ctaplib.runs.state import read_state

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60


def command(task: str, corpus: Path, exp: Path, *words: str, nproc: int = 2, options: tuple[str, ...] = ()) -> list[str]:
    steps = ["batch={batch_s: 12, min_items: 2}", "train={max_steps: 2000, valid_every_steps: 1000, save_every_steps: 5}"]
    settings = [*steps, "train.precision=fp32", "train.log_every_steps=1", *SMALL[task], *words]
    places = ["--task", task, "--data", str(corpus / "data"), "--dump", str(corpus / "dump"), "--exp", str(exp), *options]
    return [str(ROOT / "utils" / "launch.sh"), "--ngpu", "0", "--nproc", str(nproc), "--", *places,
            *(w for s in settings for w in ("--set", s))]  # fmt: skip


def launch(words: list[str], folder: Path, **more: object) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, **more)  # type: ignore[call-overload]


def wait_for(condition, process: subprocess.Popen, folder: Path, limit_s: float = 180) -> None:
    begun = time.monotonic()
    while not condition():
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        assert time.monotonic() - begun < limit_s, (folder / "log").read_text()[-3000:]
        time.sleep(0.2)


def ends(process: subprocess.Popen, folder: Path) -> str:
    """What the run said; it must end in time and with an error."""
    status = process.wait(LIMIT_S)
    told = (folder / "log").read_text()
    assert status != 0, told[-3000:]
    return told


def trainers(exp: Path) -> dict[int, int]:
    """Rank to process id of the training processes of a run."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            environment = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(exp).encode() in words and any(w.startswith(b"ctaplib.cli.main") for w in words):
            ranks = [w for w in environment if w.startswith(b"RANK=")]
            if ranks:
                found[int(ranks[0][5:])] = int(path.name)
    return found


def nobody_left(exp: Path) -> bool:
    for _ in range(50):
        if not trainers(exp):
            return True
        time.sleep(0.2)
    return False


def begun(tiny: Path, folder: Path, *words: str, options: tuple[str, ...] = ()) -> tuple[Path, subprocess.Popen]:
    """A pre-training by two processes that has saved twice."""
    exp = folder / "exp"
    process = launch(command("vqctap", tiny, exp, *words, options=options), folder)
    wait_for((exp / "checkpoints" / "previous.pt").exists, process, folder)
    return exp, process


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_all(rank: int, tiny: Path, tmp_path: Path) -> None:
    exp, process = begun(tiny, tmp_path)
    os.kill(trainers(exp)[rank], signal.SIGKILL)
    told = ends(process, tmp_path)
    assert f"error: process {rank} of 2 ended first, by signal 9" in told
    assert nobody_left(exp)
    assert load_checkpoint(exp / "checkpoints" / "last.pt")["position"]["step"] >= 10


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_stopped_ends_all(rank: int, tiny: Path, tmp_path: Path) -> None:
    exp, process = begun(tiny, tmp_path)
    os.kill(trainers(exp)[rank], signal.SIGSTOP)
    told = ends(process, tmp_path)
    assert f"error: process {rank} on {socket.gethostname()} has not been heard of for 30 s" in told
    assert nobody_left(exp)
    stands = read_state(exp)
    assert stands.state == "failed" and f"process {rank} on {socket.gethostname()} has not been heard of" in stands.note
    assert load_checkpoint(exp / "checkpoints" / "last.pt")["position"]["step"] >= 10


@pytest.mark.slow
def test_a_run_that_is_suspended_goes_on(tiny: Path, tmp_path: Path) -> None:
    endless = "train={max_steps: 100000, valid_every_steps: 1000, save_every_steps: 5}"
    exp, process = begun(tiny, tmp_path, endless, options=("--patience", "5"))
    found = trainers(exp)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in found.values():
            os.kill(pid, number)
        time.sleep(12)
        step = load_checkpoint(exp / "checkpoints" / "last.pt")["position"]["step"]
    wait_for(lambda: load_checkpoint(exp / "checkpoints" / "last.pt")["position"]["step"] > step, process, tmp_path, limit_s=60)
    process.terminate()
    assert process.wait(LIMIT_S) == 143 and nobody_left(exp)


@pytest.mark.slow
@pytest.mark.parametrize("gone", [0, 1])
def test_a_machine_that_vanishes_ends_the_other(gone: int, tiny: Path, tmp_path: Path) -> None:
    """A machine is a launcher with its process here; all of it stands still, and closes no connection."""
    exp = tmp_path / "exp"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--num_nodes", "2", "--rdzv_endpoint", f"localhost:{port}", "--patience", "5"]
    first, *rest = command("vqctap", tiny, exp, nproc=1)
    machines = [launch([first, *place, *rest], tmp_path, start_new_session=True) for _ in range(2)]
    wait_for((exp / "checkpoints" / "previous.pt").exists, machines[0], tmp_path)
    found = trainers(exp)
    agents = {rank: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for rank, pid in found.items()}
    try:
        for pid in (agents[gone], found[gone]):
            os.kill(pid, signal.SIGSTOP)
        living = next(machine for machine in machines if machine.pid == agents[1 - gone])
        told = ends(living, tmp_path)
        assert f"error: process {gone} on {socket.gethostname()} has not been heard of for 5 s" in told
    finally:
        for pid in (agents[gone], found[gone]):
            os.kill(pid, signal.SIGKILL)
        for machine in machines:
            machine.wait(LIMIT_S)


@pytest.mark.slow
def test_a_broken_file_on_one_process_is_named(tiny: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny / "data", corpus / "data")
    shutil.copytree(tiny / "dump", corpus / "dump")
    ark = next((tiny / "dump" / "train").glob("feats*.ark"))
    scp = corpus / "dump" / "train" / "feats.scp"
    lines = scp.read_text().splitlines()
    copy = corpus / "dump" / "train" / "broken.ark"
    utt, place = max((line.split() for line in lines), key=lambda pair: int(pair[1].rpartition(":")[2]))
    copy.write_bytes(ark.read_bytes()[: int(place.rpartition(":")[2]) + 500])
    offset = place.rpartition(":")[2]
    kept = [line for line in lines if not line.startswith(f"{utt} ")]
    scp.write_text("\n".join(sorted([*kept, f"{utt} {copy}:{offset}"])) + "\n")
    told = ends(launch(command("vqctap", corpus, tmp_path / "exp"), tmp_path), tmp_path)
    assert f"error: {copy} ends inside {utt}; to fix it: make the archive again" in told
    stands = read_state(tmp_path / "exp")
    assert stands.state == "failed" and f"{copy} ends inside {utt}" in stands.note
    assert nobody_left(tmp_path / "exp")


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(tiny: Path, tmp_path: Path) -> None:
    exp, ballast = tmp_path / "disk" / "exp", tmp_path / "disk" / "ballast"
    exp.parent.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(exp.parent)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        process = launch(command("vqctap", tiny, exp), tmp_path)
        wait_for((exp / "checkpoints" / "previous.pt").exists, process, tmp_path)
        with open(ballast, "wb") as out:
            try:
                while True:
                    out.write(bytes(2**16))
                    out.flush()
            except OSError:
                pass  # now it is full
        told = ends(process, tmp_path)
        assert (
            "error: no space left on the disk while writing" in told and "free some space and run the same command again" in told
        )
        assert nobody_left(exp)
        step = load_checkpoint(exp / "checkpoints" / "last.pt")["position"]["step"]
        assert step >= 10
        ballast.unlink()
        again = launch(command("vqctap", tiny, exp), tmp_path)
        wait_for(lambda: f"going on from step {step}" in (tmp_path / "log").read_text(), again, tmp_path)
        again.terminate()
        again.wait(LIMIT_S)
    finally:
        subprocess.run(["umount", "-l", str(exp.parent)], check=True)


WIDE = "{width: 384, layers: 12, hidden: 1536, heads: 4, dropout: 0.0}"
LARGE = (
    f"model.speech.stack={WIDE}",
    f"model.phoneme.stack={WIDE}",
    "train.best=per_ctc",
    "batch.batch_s=2000",
    "train.max_steps=1",
)


@pytest.mark.slow
@pytest.mark.parametrize("most_kib", [1350000, 1500000])
def test_a_trial_that_runs_out_of_memory_says_what_to_do(most_kib: int, tiny: Path, tmp_path: Path) -> None:
    limited = ["bash", "-c", f'ulimit -v {most_kib}; exec "$@"', "limited"]
    tries = command("vqctap", tiny, tmp_path / "exp", *LARGE, nproc=1, options=("--batch_bins", "auto"))
    told = ends(launch([*limited, *tries], tmp_path), tmp_path)
    assert "error: the longest item, 3.3 s, " in told and "to fix it: lower batch.max_s" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_memory_that_runs_out_says_what_to_do(tiny: Path, tmp_path: Path) -> None:
    limited = ["bash", "-c", 'ulimit -v 3000000; exec "$@"', "limited"]
    told = ends(launch([*limited, *command("vqctap", tiny, tmp_path / "exp", *LARGE, nproc=1)], tmp_path), tmp_path)
    assert "error: memory ran out at step 1, with" in told and "--batch_bins auto finds how much fits" in told
    fits = command("vqctap", tiny, tmp_path / "exp2", *LARGE, nproc=1, options=("--batch_bins", "auto"))
    done = subprocess.run([*limited, *fits], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "s fit" in done.stderr and "step 1 of 1" in done.stderr


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_named(tiny: Path, tmp_path: Path) -> None:
    words = command("vqctap", tiny, tmp_path / "exp")
    words[words.index("--ngpu") + 1] = "9"
    told = ends(launch(words, tmp_path), tmp_path)
    assert "error: 9 GPU(s) were asked for, this machine has" in told
    assert "lower --ngpu, or train on the CPU with --ngpu 0" in told
