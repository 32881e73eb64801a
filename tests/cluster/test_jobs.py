"""Parallel work gives the same results whatever does it; a job array that is cancelled or fails says so and goes on later."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from work_of_jobs import fail_at_five, note, remember, square

from ctaplib.cluster.jobs import map_jobs
from ctaplib.cluster.slurm import read_options
from ctaplib.cluster.slurm_run import SCRIPT
from ctaplib.errors import ConfigError, CtapError, DataError, StageError

HERE = Path(__file__).parent


@pytest.fixture
def slurm(cluster: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work goes to the cluster; the folder of the jobs' files."""
    for name in ("SLURM_CONF", "CTAP_SLURM_CONFIG"):
        monkeypatch.setenv(name, cluster[name])
    monkeypatch.setenv("CTAP_CMD_BACKEND", "slurm")
    monkeypatch.setenv("CTAP_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{HERE.parents[1]}")
    return tmp_path / "jobs"


def squares(nj: int) -> list[object]:
    return list(map_jobs(partial(square, power=3), range(10), nj, what="squares", setup=(remember, ("set up",))))


def test_processes_of_this_machine_give_what_one_gives() -> None:
    assert squares(1) == squares(3) == [(n**3, ["set up"]) for n in range(10)]


def test_an_unknown_back_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTAP_CMD_BACKEND", "pbs")
    with pytest.raises(ConfigError, match="expected local or slurm"):
        squares(1)


def test_options_of_sbatch(tmp_path: Path) -> None:
    path = tmp_path / "slurm.conf"
    path.write_text("mem=8G  # all\njobs.mem=1G\nexclusive\ntrain.time=2-00:00:00\n# partition=gpu\n")
    assert read_options(path, "train") == ["--mem=8G", "--exclusive", "--time=2-00:00:00"]
    assert read_options(path, "jobs") == ["--mem=1G", "--exclusive"]
    path.write_text("array=1-3\n--mem=8G\nother.mem=3\n")
    with pytest.raises(ConfigError) as found:
        read_options(path, "jobs")
    assert all(f"{path}:{n}:" in str(found.value) for n in (1, 2, 3))


def test_an_array_gives_what_processes_give_and_leaves_nothing(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_cluster = squares(4)
    monkeypatch.setenv("CTAP_CMD_BACKEND", "local")
    assert on_cluster == squares(2)
    assert not slurm.exists()


@pytest.mark.slow
def test_the_error_of_a_task_is_raised_here(slurm: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="item 5 is broken") as found:
        list(map_jobs(fail_at_five, range(8), 4, what="faulty work"))
    assert found.value.faults == ("line 1: its fault",) and found.value.fix == "mend it"
    assert "item 5 is broken" in (slurm / "faulty_work/log.3").read_text()


def test_work_that_a_job_cannot_import_is_refused(slurm: Path) -> None:
    with pytest.raises(CtapError, match="cannot be sent to a job"):
        list(map_jobs(lambda n: n, range(3), 2, what="a closure"))


@pytest.mark.slow
def test_a_refused_job_says_what_slurm_said(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.conf").write_text("partition=nowhere\n")
    monkeypatch.setenv("CTAP_SLURM_CONFIG", str(tmp_path / "bad.conf"))
    with pytest.raises(CtapError, match=r"sbatch refused the job: .*nowhere|sbatch refused the job: .*partition"):
        squares(2)


@pytest.mark.slow
def test_a_cancelled_task_is_reported_and_the_next_start_runs_the_array_again(slurm: Path, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()

    def cancel_first() -> None:
        while not (tmp_path / "calls.0").exists():
            time.sleep(0.1)
        job = json.loads((slurm / "noted/job.json").read_text())["job"]
        subprocess.run(["scancel", f"{job}_1"], check=True)

    thread = threading.Thread(target=cancel_first)
    thread.start()
    work = partial(note, folder=tmp_path)
    with pytest.raises(StageError, match=r"noted: 1 of 4 tasks .* task 1: (CANCELLED|cancelled) .*log\.1"):
        list(map_jobs(work, range(4), 4, what="noted"))
    thread.join()
    (tmp_path / "wait").unlink()
    assert list(map_jobs(work, range(4), 4, what="noted")) == [0, 1, 2, 3]
    calls = [len((tmp_path / f"calls.{n}").read_text().splitlines()) for n in range(4)]
    assert calls == [2, 2, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_array_is_cancelled_with_the_command(slurm: Path, tmp_path: Path, number: int) -> None:
    (tmp_path / "wait").touch()
    code = (
        "from functools import partial; from pathlib import Path\n"
        "from ctaplib.cluster.jobs import map_jobs; from work_of_jobs import note\n"
        f"list(map_jobs(partial(note, folder=Path({str(tmp_path)!r})), range(3), 3, what='noted'))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "calls.0").exists():
        time.sleep(0.1)
    child.send_signal(number)
    child.communicate()
    assert child.returncode != 0
    job = json.loads((slurm / "noted/job.json").read_text())["job"]
    left = subprocess.run(["squeue", "-h", "-j", job, "-t", "RUNNING,PENDING"], capture_output=True, text=True)
    assert not left.stdout.strip()


@pytest.mark.parametrize("cores", ["", "3"])
def test_a_training_gets_the_cores_that_its_job_has(cores: str, tmp_path: Path) -> None:
    """srun does not take `--cpus-per-task` over from sbatch since Slurm 22.05."""
    (tmp_path / "srun").write_text('#!/usr/bin/env bash\nprintf "%s|" "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": cores}
    environment |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node1"}
    done = subprocess.run(
        [SCRIPT, tmp_path, "python3", "-m", "work"], env=environment, capture_output=True, text=True, check=True
    )
    asked = f"--cpus-per-task={cores}|" if cores else ""
    assert done.stdout.splitlines()[1] == f"--kill-on-bad-exit=1|--export=ALL|{asked}python3|-m|work|"
