"""Every stage of the recipes LibriTTS and VCTK, very small, on generated trees with the layout of the corpora."""

import json
import subprocess
import sys

import pytest
from recipe_copy import copy_of, make_tree, run

CASES = {
    "libritts": (
        "LibriTTS",
        "train-clean-460",
        "test-clean",
        "--train_set train-clean-460 --speech_only train-other-500",
        "train-other-500",
    ),
    "vctk": (".", "tr_no_dev", "eval1", "--split vqmivc", "tr_speech"),
}
"""Folder of the corpus in its tree, training set, test set, options of data.sh, set of the speech-only branch."""


def make_lists(recipe, test_set):
    script = [
        sys.executable,
        "local/make_lists.py",
        "--from",
        f"data/{test_set}",
        "--out",
        "lists_tiny",
        "--pairs",
        "4",
        "--tts",
        "2",
    ]
    subprocess.run(script, cwd=recipe, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_stage_on_a_generated_tree(name, tmp_path):
    folder, train_set, test_set, data_options, speech = CASES[name]
    tree = make_tree(name, tmp_path / "tree") / folder
    recipe = copy_of(name, tmp_path / "checkout")
    options = [
        "--config", "conf/laptop.sh", "--config", "../../tests/recipe/tiny_corpus.sh", "--corpus_dir", str(tree),
        "--train_set", train_set,
        "--local_data_opts", f"{data_options} --check_lists false", "--speech_only_set", speech,
    ]  # fmt: skip
    done = run(recipe, *options, "--stop_stage", "1")
    assert done.returncode == 0, done.stdout[-3000:]
    make_lists(recipe, test_set)
    done = run(recipe, *options)
    assert done.returncode == 0, done.stdout[-3000:]
    for stage in range(1, 15):
        stamp = next(recipe.glob(f"*_tiny/.stamps/{stage:02d}_*.json"))
        assert json.loads(stamp.read_text())["state"] == "done"
    rows = json.loads((recipe / "exp_tiny" / "results.json").read_text())
    assert {row["set"] for row in rows} >= {test_set} and {row["task"] for row in rows} >= {"asr", "tts", "vc", "resynthesis"}
    for row in rows:
        assert row["value"] is not None or row["why"]
    report = (recipe / "exp_tiny" / "RESULTS.md").read_text()
    assert "Published, not comparable" in report and not (recipe / "RESULTS.md").exists()
    for made in ("report/index.html", "pack"):
        assert (recipe / "exp_tiny" / made).exists()
    assert (recipe / "data" / train_set / "phones.ctm").exists()
    before = (recipe / "exp_tiny" / "results.json").stat().st_mtime_ns
    again = run(recipe, *options)
    assert "Nothing to do: all 14 stages asked for are current." in again.stdout
    assert (recipe / "exp_tiny" / "results.json").stat().st_mtime_ns == before
