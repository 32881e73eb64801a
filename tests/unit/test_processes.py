import os
import subprocess
import time

import pytest

from ctaplib.recipe.processes import RUN_ID, end_run, first_error, members, run_logged


def test_output_goes_to_the_log_and_out(tmp_path, capfdbinary):
    log = tmp_path / "log"
    assert run_logged("echo hello", log, "a")[0] == 0
    assert run_logged("bash -c 'echo wrong >&2; exit 4'", log, "a")[0] == 4
    text = log.read_text()
    assert "# echo hello\n# Started at " in text and "hello\n# Ended (code 0) at " in text
    assert "wrong\n# Ended (code 4)" in text
    assert capfdbinary.readouterr().out == b"hello\nwrong\n"


def test_signal_becomes_a_status(tmp_path):
    assert run_logged("bash -c 'kill -9 $$'", tmp_path / "log", "a")[0] == 137


def test_memory_of_descendants_is_seen(tmp_path):
    code = "import time; x = bytearray(200 * 2**20); time.sleep(1.5)"
    _, peak_mib = run_logged(f"bash -c 'python3 -c \"{code}\"; true'", tmp_path / "log", "a")
    assert 200 <= peak_mib < 400


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fine\nerror: first; to fix it: x\nerror: second\n", "error: first; to fix it: x"),
        ("Traceback (most recent call last):\n  File\nValueError: seven\n", "ValueError: seven"),
        ("[rank0]: torch.OutOfMemoryError: CUDA\n", "[rank0]: torch.OutOfMemoryError: CUDA"),
        ("local/data.sh: line 3: sox: command not found\n", "local/data.sh: line 3: sox: command not found"),
        ("2026-01-01T00:00:00 ERROR no audio\nmore\n", "2026-01-01T00:00:00 ERROR no audio"),
        ("0 errors so far\nError rate 3\nlast words\n# Ended\n", "last words"),
        ("nothing of note\nlast words\n# Ended (code 1)\n", "last words"),
        ("", "it printed nothing"),
    ],
)
def test_first_error_line(tmp_path, text, line):
    log = tmp_path / "log"
    log.write_text("error: of an earlier attempt\n" + text)
    assert first_error(log, len("error: of an earlier attempt\n")) == line


def test_members_of_a_run_are_found_and_ended():
    environment = {**os.environ, RUN_ID: f"test-{os.getpid()}"}
    child = subprocess.Popen(["bash", "-c", "trap '' TERM; sleep 60 & wait"], env=environment)
    while len(members(environment[RUN_ID])) < 2:
        time.sleep(0.02)
    found = end_run(environment[RUN_ID], wait_s=0.3)
    assert child.pid in found and len(found) == 2
    assert members(environment[RUN_ID]) == []
    assert child.wait() != 0
