"""Shell scripts pass shellcheck, are executable when they are programs, and the template makes a recipe."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.sh", ".ci/run"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.split()  # fmt: skip
SCRIPTS = [name for name in TRACKED if (ROOT / name).exists()]


def test_shellcheck_finds_nothing():
    program = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([program, "-x", *SCRIPTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_programs_are_executable_and_stop_at_errors(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    program = text.startswith("#!")
    sourced = Path(name).name in ("parse_options.sh", "options.sh", "stage.sh", "environment.sh")
    assert os.access(ROOT / name, os.X_OK) == program or sourced
    assert "set -euo pipefail" in text or not program or sourced


def copied(tmp_path):
    """A checkout with what a recipe needs."""
    for name in ("utils", "conf", "egs/TEMPLATE"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_template_makes_a_recipe(tmp_path):
    root = copied(tmp_path)
    done = subprocess.run(["egs/TEMPLATE/setup.sh", "egs/mycorpus"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mycorpus: one line about it" in (root / "egs/mycorpus/run.sh").read_text()
    again = subprocess.run(["egs/TEMPLATE/setup.sh", "egs/mycorpus"], cwd=root, capture_output=True, text=True)
    assert again.returncode == 1 and "is there already" in again.stderr
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["egs/mycorpus/run.sh", "--dry_run", "true"],
        cwd=root,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 1, "there is no corpus yet"
    assert "Stage 14 pack" in done.stdout and "the config" not in done.stderr
    assert all("needs " in line for line in done.stderr.splitlines()[1:]), done.stderr


@pytest.mark.parametrize("name", ["egs/Upper", "elsewhere/corpus", "egs/a-b"])
def test_template_refuses_bad_names(tmp_path, name):
    root = copied(tmp_path)
    done = subprocess.run(["egs/TEMPLATE/setup.sh", name], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: ")
