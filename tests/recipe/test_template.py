"""A recipe made from the template brings a corpus in: lists first and once, then stage 1, also with copies at other speeds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_corpora import make_folder, snapshot, tone

from ctaplib.corpus.datadir import read_datadir

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tmp_path):
    """egs/mine, whose corpus is a folder of 26 utterances with spaces in its path."""
    (tmp_path / "egs").mkdir()
    shutil.copytree(ROOT / "egs/TEMPLATE", tmp_path / "egs/TEMPLATE")
    for name in ("utils", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run(["egs/TEMPLATE/setup.sh", "egs/mine"], cwd=tmp_path, check=True, capture_output=True)
    make_folder(tmp_path / "my corpus", 1, 26)
    return tmp_path / "egs/mine"


def run(recipe, *words):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    corpus = recipe.parents[1] / "my corpus"
    done = subprocess.run(
        [*words, "--corpus_dir", corpus, "--nj", "1"], cwd=recipe, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_nothing_is_named_after_the_template(recipe):
    for path in recipe.rglob("*"):
        if path.is_file() and path.suffix in (".sh", ".md"):
            assert "CORPUS" not in path.read_text().replace("CORPUS_DIR", ""), path
    assert not (recipe / "setup.sh").exists()


def test_lists_come_first_and_stay(recipe):
    status, output = run(recipe, "./run.sh", "--stop_stage", "1")
    assert status == 1 and "there are no lists of test utterances; make them, once: local/data.sh --make_lists true" in output
    status, output = run(recipe, "local/data.sh", "--make_lists", "true")
    assert status == 0, output
    lists = snapshot(recipe / "lists")
    status, output = run(recipe, "./run.sh", "--stop_stage", "1")
    assert status == 0, output
    assert snapshot(recipe / "lists") == lists
    assert read_datadir(recipe / "data/test").utt_ids == (recipe / "lists/test.txt").read_text().split()
    status, output = run(recipe, "./run.sh", "--stop_stage", "1")
    assert status == 0 and "Nothing to do: stage 1 asked for is current." in output
    status, output = run(recipe, "./run.sh", "--stop_stage", "1", "--subset", "part")
    assert status == 1 and "this recipe has no --subset part" in output


def test_audio_without_text_becomes_the_speech_only_set(recipe):
    for k in range(3):
        tone(recipe.parents[1] / "radio" / f"{k}.wav")
    db = (recipe / "db.sh").read_text()
    (recipe / "db.sh").write_text(db.replace("SPEECH_ONLY_DIR=\n", f'SPEECH_ONLY_DIR="{recipe.parents[1]}/radio"\n'))
    assert run(recipe, "local/data.sh", "--make_lists", "true")[0] == 0
    status, output = run(recipe, "./run.sh", "--stop_stage", "1", "--speech_only_set", "train_speech")
    assert status == 0, output
    assert read_datadir(recipe / "data/train_speech").utt_ids == ["0", "1", "2"]


def test_stage_1_makes_copies_at_other_speeds(recipe):
    assert run(recipe, "local/data.sh", "--make_lists", "true")[0] == 0
    status, output = run(recipe, "./run.sh", "--stop_stage", "1", "--speed_perturb_factors", "0.9 1.0 1.1")
    assert status == 0, output
    plain, made = (read_datadir(recipe / "data" / name) for name in ("train", "train_sp"))
    assert len(made.utt_ids) == 3 * len(plain.utt_ids)
    assert made.speakers == ["my_corpus", "sp0.9-my_corpus", "sp1.1-my_corpus"]
    assert "data/train_sp: 42 utterances of 3 speakers, 0.4 minutes; 0 faults, 0 warnings" in output


def test_what_it_cannot_do_is_told(recipe):
    text = recipe.parents[1] / "my corpus" / "spk0"
    for number in range(2):
        (text / f"{number:03d}.txt").unlink()
    status, output = run(recipe, "local/data.sh", "--make_lists", "true")
    assert status == 1 and "at most 5 % left out" in output and "--local_data_opts '--max_dropped_pct P'" in output
    status, output = run(recipe, "local/data.sh", "--make_lists", "true", "--max_dropped_pct", "20")
    assert status == 0, output
    status, output = run(recipe, "./run.sh", "--stop_stage", "1", "--local_data_opts", "--max_dropped_pct 20")
    assert status == 0, output
    status, output = run(recipe, "local/data.sh", "--lang", "fr")
    assert status == 1 and "no --lang fr" in output and "conf/text.yaml" in output
    (recipe / "db.sh").write_text("CORPUS_DIR=\nIMPORT_OPTIONS=(--speakr anna)\n")
    status, output = run(recipe, "local/data.sh")
    assert status == 2 and "usage: ctap data import" in output and "an option of IMPORT_OPTIONS in db.sh" in output
    (recipe.parents[1] / "my corpus").rename(recipe.parents[1] / "elsewhere")
    status, output = run(recipe, "local/data.sh")
    assert status == 1 and "correct CORPUS_DIR in db.sh, or give --corpus_dir" in output
