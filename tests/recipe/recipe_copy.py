"""A checkout with one recipe alone, in which a test may run it, and a way to run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("run.sh", "cmd.sh", "path.sh", "db.sh", "conf", "local", "lists")


def copy_of(name: str, base: Path) -> Path:
    """Copy a recipe to `base/egs`, with links to what all share; give its folder."""
    recipe = base / "egs" / name
    recipe.mkdir(parents=True)
    for file in FILES:
        source = ROOT / "egs" / name / file
        (shutil.copytree if source.is_dir() else shutil.copy)(source, recipe / file)
    for other in ("libritts",):  # recipes whose configs others extend
        if other != name:
            (base / "egs" / other).symlink_to(ROOT / "egs" / other)
    for shared in ("utils", "conf", "tests"):
        (base / shared).symlink_to(ROOT / shared)
    return recipe


def run(recipe: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe; output and errors together."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["./run.sh", *options], cwd=recipe, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def make_tree(corpus: str, dest: Path, *options: str) -> Path:
    """Make a generated tree of a corpus."""
    script = ROOT / "tests" / "trees" / "make_tree.py"
    done = subprocess.run([sys.executable, script, corpus, dest, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dest
