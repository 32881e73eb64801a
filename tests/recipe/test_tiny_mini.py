"""Every stage of the mini recipe, very small: as it is, and killed on the way."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("run.sh", "cmd.sh", "path.sh", "db.sh", "conf", "local", "lists")
KILLS = 4
TIMED = ("rtf",)


def copy_of_mini(base):
    """A checkout with the mini recipe alone."""
    (base / "egs/mini").mkdir(parents=True)
    for name in FILES:
        source = ROOT / "egs/mini" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, base / "egs/mini" / name)
    for name in ("utils", "conf", "tests"):
        (base / name).symlink_to(ROOT / name)
    return base / "egs/mini"


def start(recipe, *options):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with open(recipe / "output.log", "a") as output:
        return subprocess.Popen(
            ["./run.sh", "--config", "../../tests/recipe/tiny.sh", "--nj", "2", *options],
            cwd=recipe, env={**os.environ, "PATH": path}, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip


def rows(recipe):
    """The scores without what a clock measured."""
    known = json.loads((recipe / "exp_tiny/results.json").read_text())
    return [row for row in known if row["metric"] not in TIMED]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    recipe = copy_of_mini(tmp_path_factory.mktemp("undisturbed"))
    started = time.monotonic()
    assert start(recipe).wait() == 0, (recipe / "output.log").read_text()[-3000:]
    return recipe, time.monotonic() - started


@pytest.mark.slow
def test_every_stage_makes_what_it_promises(undisturbed):
    recipe, _ = undisturbed
    for stage in range(1, 15):
        stamp = next(recipe.glob(f"*_tiny/.stamps/{stage:02d}_*.json"))
        assert json.loads(stamp.read_text())["state"] == "done"
    for name in ("results.json", "report/index.html", "RESULTS.md", "pack"):
        assert (recipe / "exp_tiny" / name).exists()
    assert not (recipe / "RESULTS.md").exists(), "numbers of a test are not the recipe's"
    for row in rows(recipe):
        assert row["value"] is not None or row["why"]


@pytest.mark.slow
def test_second_run_does_nothing(undisturbed):
    recipe, _ = undisturbed
    before = (recipe / "exp_tiny/results.json").stat().st_mtime_ns
    started = time.monotonic()
    assert start(recipe).wait() == 0
    assert time.monotonic() - started < 20
    assert "Nothing to do: all 14 stages asked for are current." in (recipe / "output.log").read_text()
    assert (recipe / "exp_tiny/results.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_killed_runs_end_with_the_same_numbers(undisturbed, tmp_path):
    whole, seconds = undisturbed
    recipe, draw = copy_of_mini(tmp_path), random.Random(1)
    for _ in range(KILLS):
        child = start(recipe)
        time.sleep(draw.uniform(0.1, 0.9) * seconds / KILLS * 1.5)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert start(recipe).wait() == 0, (recipe / "output.log").read_text()[-3000:]
    assert rows(recipe) == rows(whole)
