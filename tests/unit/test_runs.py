"""`ctap runs`: runs side by side, how they stand, differences, plots; the live line of a terminal."""

import errno
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from io import UnsupportedOperation
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_task import ToyTask

from ctaplib.cli.main import main
from ctaplib.config import save_config
from ctaplib.errors import ConfigError, CtapError, DataError, LostPeerError
from ctaplib.runs.listing import read_metrics
from ctaplib.runs.log import LiveLine, RunLog, get_logger, short_words
from ctaplib.runs.state import note_error, read_state, remove_errors
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig, TrainConfig
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

CONFIG = TaskConfig(train=TrainConfig(max_steps=40, best="per"))


def make_run(exp: Path, config: TaskConfig = CONFIG, last: int = 40) -> Path:
    """A run that went to step `last`."""
    exp.mkdir(parents=True)
    save_config(config, exp / "config.yaml", task="toy", commit="abc1234")
    with RunLog(exp, task="toy", max_steps=40) as log:
        for step in range(10, last + 1, 10):
            values = {"loss": 4.0 - step / 20, "fit": 1.0, "weight/fit": step / 40, "lr": 0.1, "audio_h_per_h": 7.0}
            log.scalars(step, values, "train")
            log.scalars(step, {"per": abs(step - 30) + 1.5, "codebook_usage_pct": 50.0 + step}, "valid")
        log.scalars(last, {"epoch": 0.0, "audio_h_per_h": 123.4, "padding_pct": 1.0}, "epoch")
    return exp


def test_the_table_shows_what_is_asked_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "exp" / "one")
    make_run(tmp_path / "exp" / "two", last=20)
    assert main(["runs", str(tmp_path)]) == 0
    head, one, two = (re.split(r"  +", line.strip()) for line in capsys.readouterr().out.splitlines())
    assert head == ["run", "task", "config", "commit", "state", "step", "best", "loss", "codes", "speed", "age"]
    assert one[0].endswith("exp/one") and two[0].endswith("exp/two")
    assert one[1:10] == ["toy", one[2], "abc1234", "finished", "40/40", "per 1.5 @ 30", "2", "90 %", "123 h/h"]
    assert two[4:9] == ["stopped", "20/40", "per 11.5 @ 20", "3", "70 %"] and re.fullmatch(r"\d+ s", two[10])
    assert f"config_hash: {one[2]}" in (tmp_path / "exp/one/config.yaml").read_text().replace("'", "")


def test_json_has_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "one")
    assert main(["runs", "--json", str(tmp_path / "one")]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    wanted = {"task": "toy", "step": 40, "max_steps": 40, "epoch": 1, "best_metric": "per", "best": 1.5, "best_step": 30}
    assert {k: row[k] for k in wanted} == wanted and row["audio_h_per_h"] == 123.4 and row["loss"] == 2.0


def test_differences_of_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = make_run(tmp_path / "one")
    two = make_run(tmp_path / "two", CONFIG.model_copy(update={"optim": OptimConfig(lr=0.5, lr_scale={"head": 10.0})}))
    assert main(["runs", "--diff", str(one), str(two)]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["optim.lr"] == ["0.001", "0.5"] and lines["optim.lr_scale.head"] == ["-", "10.0"]
    assert set(lines) == {"setting", "config_hash", "optim.lr", "optim.lr_scale", "optim.lr_scale.head"}
    assert main(["runs", "--json", "--diff", str(one), str(two)]) == 0
    assert json.loads(capsys.readouterr().out)["optim.lr"] == [0.001, 0.5]
    assert main(["runs", "--diff", str(one), str(one)]) == 0
    assert capsys.readouterr().out == "the configs are the same\n"


def test_plots_come_from_the_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "one")
    assert main(["runs", "--plot", str(run)]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["losses.png", "learning_rate.png", "weights.png"]
    assert all((run / "images" / n).read_bytes().startswith(b"\x89PNG") for n in names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{0}/nowhere"], "nowhere is no folder"),
        (["{0}"], "{0} holds no run"),
        (["{0}/nowhere", "{0}"], "nowhere is no folder; {0} holds no run; expected a folder with config.yaml and one of"),
        (["--diff", "{0}", "{0}"], "{0}/config.yaml is missing"),
        (["--diff", "{0}", "{0}", "{0}"], "--diff takes two runs and nothing else"),
    ],
)
def test_folders_without_runs_are_named(words: list, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", *(w.format(tmp_path) for w in words)]) == 1
    assert f"{message.format(tmp_path)}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "a: [", "config.yaml is not YAML"),
        ("config.yaml", "- 1", "config.yaml holds a list"),
        ("run_state.json", "{", "run_state.json is not JSON"),
        ("metrics.jsonl", "{}\nhello\n" + '{"step": 1}\n', "metrics.jsonl has 2 lines that are not records"),
    ],
)
def test_broken_files_are_told(name: str, text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "one")
    (run / name).write_text(text)
    assert main(["runs", str(run)]) == 1
    assert message in capsys.readouterr().err


def test_runs_from_before_states_were_written_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, last in (("one", 40), ("two", 20)):
        make_run(tmp_path / name, last=last)
        (tmp_path / name / "run_state.json").unlink()
        (tmp_path / name / "run.lock").unlink()
    assert main(["runs", "--json", str(tmp_path)]) == 0
    assert [r["state"] for r in json.loads(capsys.readouterr().out)] == ["finished", "stopped"]


HOLDER = """
import sys, time
from pathlib import Path
from ctaplib.runs.state import Running
held = Running(Path(sys.argv[1]), "toy", 40)
print("holding", flush=True)
time.sleep(60)
"""


def test_a_run_is_running_until_its_process_dies_and_nobody_else_trains_there(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", last=20)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
        assert read_state(run).state == "running" and f"process {holder.pid}" in read_state(run).note
        with pytest.raises(ConfigError, match=f"is being trained by process {holder.pid}; to fix it: wait until it is done"):
            RunLog(run)
        assert len((run / "metrics.jsonl").read_text().splitlines()) == 5
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    state = read_state(run)
    assert state.state == "failed" and "ended without a message" in state.note
    with RunLog(run, 20, max_steps=40):
        pass
    assert read_state(run).state == "stopped"


def test_a_run_of_another_machine_is_judged_by_its_newest_record(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", last=20)
    said = json.loads((run / "run_state.json").read_text())
    (run / "run_state.json").write_text(json.dumps({**said, "state": "running", "host": "elsewhere"}))
    assert read_state(run).state == "running" and "on elsewhere" in read_state(run).note
    long_ago = time.time() - 3600
    for path in run.iterdir():
        os.utime(path, (long_ago, long_ago))
    assert read_state(run).state == "failed"


def test_a_run_of_another_machine_that_left_an_error_has_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", last=20)
    said = json.loads((run / "run_state.json").read_text())
    (run / "run_state.json").write_text(json.dumps({**said, "state": "running", "host": "elsewhere"}))
    note_error(run, 0, LostPeerError("process 1 has ended: no"), ends_here=True)
    stands = read_state(run)
    assert stands.state == "failed" and stands.note == "process 0: process 1 has ended: no"
    remove_errors(run, 0, 2)  # the next start
    assert read_state(run).state == "running"


ELSEWHERE = "import socket\nsocket.gethostname = lambda: 'elsewhere'\n" + HOLDER


def test_a_run_of_another_machine_that_was_heard_of_lately_is_not_trained_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "one", last=20)
    before = {
        path: path.read_bytes() for path in run.iterdir() if path.is_file() and path.name not in ("run_state.json", "run.lock")
    }
    holder = subprocess.Popen([sys.executable, "-c", ELSEWHERE, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
        with pytest.raises(ConfigError) as told:
            Trainer(ToyTask(CONFIG, TaskPaths(run, run, run, "train", "dev")), World(0, 1, torch.device("cpu")))
        assert f"is being trained by process {holder.pid} on elsewhere, last write" in str(told.value)
        assert "if that machine is down, start again in" in str(told.value)
        assert {path: path.read_bytes() for path in before} == before and not (run / "train.log").exists()
        (run / "run.lock").write_text("")  # the holder has the lock, but has not said who it is
        with pytest.raises(ConfigError, match="a process that has not written its name yet, last write"):
            RunLog(run)
        for path in run.iterdir():
            os.utime(path, (time.time() - 3600, time.time() - 3600))
        monkeypatch.setattr(get_logger(), "propagate", True)
        RunLog(run, 20).end("stopped")
        assert "last write 3600 s ago: taken for dead" in caplog.text
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()


def test_other_processes_of_a_run_need_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctaplib.train.trainer.check_agreement", lambda *_: None)  # there is no other process
    task = ToyTask(CONFIG, TaskPaths(tmp_path, tmp_path, tmp_path, "train", "dev"))
    assert Trainer(task, World(1, 2, torch.device("cpu"))).record is None
    assert not (tmp_path / "run.lock").exists()


def test_lines_that_are_no_records_are_told_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "one", last=20)
    with open(run / "metrics.jsonl", "ab") as out:
        out.write(b'12\nnull\n{"split": "train"}\n{"step": "5"}\n\xff\xfe\n{"step": 30, "spl')
    monkeypatch.setattr(get_logger(), "propagate", True)
    RunLog(run, 20).end("stopped")
    assert "metrics.jsonl: dropped 6 lines (torn or foreign): 6: '12'; 7: 'null'" in caplog.text
    assert [r["step"] for r in read_metrics(run)] == [10, 10, 20, 20, 20]


def test_the_note_of_a_run_is_the_cause_not_what_the_first_process_saw(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", last=20)
    note_error(run, 0, ValueError("the first process notes its own"))
    assert not (run / "errors").exists()
    note_error(run, 2, DataError("b.ark ends inside utt2", ["more"]))
    note_error(run, 1, ValueError("came later"))
    assert read_state(run).note == ""  # it was stopped, whatever lies there
    with pytest.raises(LostPeerError), RunLog(run, 20, max_steps=40):
        raise LostPeerError("process 0 lost another process of this run (Connection closed by peer)")
    assert read_state(run).note == "process 2: b.ark ends inside utt2"
    with pytest.raises(ValueError, match="own"), RunLog(run, 20, max_steps=40):
        raise ValueError("the first process's own")
    assert read_state(run).note == "the first process's own"
    remove_errors(run, 1, 2)
    remove_errors(run, 0, 2)
    assert not list((run / "errors").iterdir())
    with pytest.raises(LostPeerError), RunLog(run, 20, max_steps=40):
        raise LostPeerError("process 0 lost another process")
    assert read_state(run).note == "process 0 lost another process"


@pytest.mark.parametrize(
    ("error", "state", "note"),
    [
        (ValueError("no\nmore"), "failed", "no"),
        (KeyboardInterrupt(), "stopped", "ended at once by the keyboard; the same command resumes from the last checkpoint"),
        (None, "finished", ""),
    ],
)
def test_how_a_run_ended_is_noted(error: BaseException | None, state: str, note: str, tmp_path: Path) -> None:
    try:
        with RunLog(tmp_path, task="toy", max_steps=3) as log:
            if error is not None:
                raise error
            log.scalars(3, {"loss": 1.0}, "train")
    except (ValueError, KeyboardInterrupt) as caught:
        assert caught is error
    found = read_state(tmp_path)
    assert (found.state, found.note, found.max_steps, found.task) == (state, note, 3, "toy")


def test_listing_starts_quickly_without_torch_or_numpy(tmp_path: Path) -> None:
    make_run(tmp_path / "one")
    code = (
        "import sys, time; from ctaplib.cli.main import main; "
        f"started = time.process_time(); status = main(['runs', {str(tmp_path)!r}]); "
        "heavy = {'torch', 'numpy', 'matplotlib', 'pydantic', 'tqdm'} & set(sys.modules); "
        "print(status, sorted(heavy), time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, heavy, cpu_s = re.match(r"(\d) (\[.*\]) ([\d.]+)$", done.stdout.splitlines()[-1]).groups()  # type: ignore[union-attr]
    assert (status, heavy) == ("0", "[]") and float(cpu_s) < 0.5  # 0.08 s on a quiet machine


VALUES = {
    "contrastive": 5.1234, "consistency": 0.0, "ctc": 1.5, "ctc_start": 0.25, "loss": 9.8765, "weight/contrastive": 1.0,
    "weight/consistency": 0.0, "weight/ctc": 0.5, "weight/ctc_start": 0.1, "lr": 0.001, "grad_norm/model": 3.0,
    "step_s": 0.25, "audio_h_per_h": 101.7, "data_wait_pct": 0.1,
}  # fmt: skip


def test_the_live_line_shows_every_term_that_counts() -> None:
    assert short_words(VALUES, 200) == "loss 9.88 contrastive 5.12 ctc 1.5 ctc_start 0.25 102 h/h 0.25 s"
    assert short_words(VALUES, 60) == "loss 9.88 contrast 5.12 ctc 1.5 ctc_star 0.25 102 h/h 0.25 s"
    assert short_words(VALUES, 10) == "loss 9.88 cont 5.12 ctc 1.5 ctc_ 0.25 102 h/h 0.25 s"


class Terminal:
    """Standard error as a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise UnsupportedOperation("fileno")


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    handler = get_logger().handlers[0]
    monkeypatch.setattr(handler, "stream", terminal)
    live = LiveLine(10, 4)
    live.step()
    live.show(VALUES)
    get_logger().info("told by the live line as well", extra={"live": True})
    get_logger().info("a warning of its own")
    live.close()
    lines = re.split(r"[\r\n]", terminal.written)
    told = [line for line in lines if "loss 9.88" in line]
    assert told and told[-1].startswith("5/10 [") and "contrastive 5.12" in told[-1] and "102 h/h" in told[-1]
    assert any(line.endswith("INFO a warning of its own") for line in lines) and "as well" not in terminal.written


@pytest.mark.parametrize(("rows", "columns", "live"), [(24, 100, True), (0, 0, False), (0, 100, False), (24, 0, False)])
def test_on_a_terminal_the_loss_is_told_whatever_its_size(rows: int, columns: int, live: bool) -> None:
    told = in_a_terminal(
        rows,
        columns,
        "from ctaplib.runs.log import LiveLine, get_logger\n"
        f"live = LiveLine(10, 4); live.step(); live.show({VALUES!r})\n"
        "get_logger().info('plain line', extra={'live': True}); live.close()\n",
    )
    assert ("loss 9.88" in told) == live and ("plain line" in told) != live


def in_a_terminal(rows: int, columns: int, code: str) -> str:
    """What a program writes to a terminal of a size."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    child = subprocess.Popen([sys.executable, "-c", code], stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    with suppress(OSError):  # the end, on Linux
        while part := os.read(ours, 4096):
            written += part
    os.close(ours)
    assert child.wait() == 0, written
    return written.decode()


def test_without_a_terminal_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    live = LiveLine(10, 4)
    live.step()
    live.show(VALUES)
    live.close()
    assert capfd.readouterr().err == ""
    other = LiveLine(10, 4, enabled=False)
    other.step()
    other.close()


def test_a_full_disk_under_the_records_is_told(tmp_path: Path) -> None:
    record = RunLog(tmp_path, task="toy", max_steps=9)
    record._file.close()
    told = r"no space left on the disk while writing .*metrics\.jsonl; to fix it: free some space"
    with open("/dev/full", "w", encoding="utf-8") as record._file, pytest.raises(CtapError, match=told), record:
        record.scalars(1, {"loss": 1.0}, "train")
    stands = read_state(tmp_path)
    assert stands.state == "failed" and "no space left on the disk" in stands.note


@pytest.mark.parametrize("what", ["scalars", "figure", "sound"])
def test_a_full_disk_under_tensorboard_is_told(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunLog(tmp_path, task="toy", max_steps=9) as record:
        for owner, name in (
            (record._board, "add_scalar"),
            (record._board, "add_audio"),
            (record._board.file_writer, "add_summary"),
        ):
            monkeypatch.setattr(owner, name, full)
        words = {"scalars": (1, {"loss": 1.0}, "train"), "figure": ("a", 1, Figure()), "sound": ("a", 1, np.zeros(9), 16000)}[
            what
        ]
        with pytest.raises(CtapError, match=r"no space left on the disk while writing .*/tensorboard; to fix it"):
            getattr(record, what)(*words)
