"""docs/new_corpus.md, word for word, on a fragment of LJSpeech: every command of its walk, to a finished tiny recipe."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_trees import GENUINE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "new_corpus.md"
FRAGMENT = GENUINE / "LJSpeech-1.1"
PATH_IN_DOCUMENT = "/data/LJSpeech-1.1"


def commands() -> str:
    """What stands in the blocks marked `sh`, in order."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def test_the_walk_names_every_step():
    text = commands()
    for step in ("egs/TEMPLATE/setup.sh", "--make_lists true", "--dry_run true", "./run.sh --config conf/tiny.sh"):
        assert step in text
    assert text.count(PATH_IN_DOCUMENT) == 1


@pytest.mark.slow
@pytest.mark.skipif(not FRAGMENT.exists(), reason=f"the fragment of LJSpeech is not at hand ({FRAGMENT})")
def test_following_the_document_ends_with_a_finished_recipe(tmp_path):
    for name in ("utils", "conf", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "egs/TEMPLATE", tmp_path / "egs/TEMPLATE")
    script = "set -euo pipefail\n" + commands().replace(PATH_IN_DOCUMENT, str(FRAGMENT))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    recipe = tmp_path / "egs/ljspeech"
    for stage in range(1, 15):
        stamp = next(recipe.glob(f"*/.stamps/{stage:02d}_*.json"))
        assert json.loads(stamp.read_text())["state"] == "done"
    for name in ("RESULTS.md", "report/index.html", "pack/vqctap/model.safetensors"):
        assert (recipe / "exp_tiny" / name).stat().st_size > 0
    rows = json.loads((recipe / "exp_tiny/results.json").read_text())
    assert rows and all(row["value"] is not None or row["why"] for row in rows)
    assert {row["set"] for row in rows} == {"test"}
    assert len((recipe / "lists/test.txt").read_text().split()) == 8
    again = subprocess.run(
        ["./run.sh", "--config", "conf/tiny.sh"], cwd=recipe, env=env, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0 and "Nothing to do: all 14 stages asked for are current." in again.stdout
