"""The configs of LibriTTS and VCTK: every size loads, and `--config conf/NAME.sh` leads where its file says."""

import subprocess

import pytest
from recipe_copy import ROOT, copy_of, run

from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import load_config
from ctaplib.tasks.load import read_task_config

RECIPES = ("libritts", "vctk")
TASKS = {
    "pretrain": "vqctap", "asr_finetuned": "asr", "asr_supervised": "asr", "judge": "asr", "tts": "tts", "vc": "vc",
    "vocoder": "vocoder",
}  # fmt: skip


@pytest.mark.parametrize("size", ["", "laptop", "gpu8"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_size_loads(recipe, size):
    folder = ROOT / "egs" / recipe / "conf" / size
    found = {name: read_task_config(task, folder / f"{name}.yaml", []) for name, task in TASKS.items()}
    assert found["judge"].seed != found["asr_supervised"].seed
    assert found["judge"].model == found["asr_supervised"].model
    assert found["asr_supervised"].model.speech == found["pretrain"].model.speech, "the row to compare with has the same encoder"


def test_sampling_rates_of_vctk():
    conf = ROOT / "egs" / "vctk" / "conf"
    assert [load_config(FeatureConfig, conf / f"{name}.yaml").rate_hz for name in ("features", "features_16k")] == [24000, 16000]


WAYS = {
    ("libritts", ""): ("--data data ", "--train_set train-clean-460", "--exp exp/vqctap"),
    ("libritts", "clean100"): ("--train_set train-clean-100", "--dump dump_clean100", "--exp exp_clean100/vqctap"),
    ("libritts", "speech_only"): ("--speech_only train-other-500", "--speech_only_set train-other-500", "exp_speech_only/vqctap"),
    ("libritts", "restored"): ("--corpus_dir downloads/LibriTTS_R", "--data data_restored", "--exp exp_restored/vqctap"),
    ("libritts", "laptop"): ("--config conf/laptop/pretrain.yaml", "--ngpu 0", "--exp exp_laptop/vqctap"),
    ("libritts", "gpu8"): ("--config conf/gpu8/judge.yaml", "--exp exp_gpu8/vqctap"),
    ("vctk", ""): ("--split vqmivc", "--corpus_dir downloads/VCTK-Corpus-0.92", "--valid_set dev"),
    ("vctk", "espnet"): ("--split espnet --make_lists data_espnet/lists", "--lists data_espnet/lists", "--exp exp_espnet/vqctap"),
    ("vctk", "16k"): ("--config conf/features_16k.yaml", "--dump dump_16k", "--exp exp_16k/vqctap"),
    ("vctk", "laptop"): ("--config conf/laptop/pretrain.yaml", "--exp exp_laptop/vqctap"),
    ("vctk", "gpu8"): ("--config conf/gpu8/pretrain.yaml", "--exp exp_gpu8/vqctap"),
}
"""By recipe and config, what the dry run must say."""


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_ways_to_run(recipe, tmp_path):
    copy = copy_of(recipe, tmp_path)
    named = {config for name, config in WAYS if name == recipe} - {""}
    assert named == {path.stem for path in (copy / "conf").glob("*.sh")} - {"sets"}
    for (name, config), said in WAYS.items():
        if name == recipe:
            done = run(copy, *(["--config", f"conf/{config}.sh"] if config else []), "--dry_run", "true")
            faults = [
                line for line in done.stdout.splitlines() if line.startswith(("  stage", "  --", "  missing", "error: stage"))
            ]
            assert all("which does not exist" in line for line in faults), done.stdout  # the corpus
            assert [words for words in said if words not in done.stdout] == [], config


def test_a_corpus_that_is_not_there_is_told_in_the_first_minute(tmp_path):
    for recipe in ("libritts", "vctk"):
        done = run(copy_of(recipe, tmp_path / recipe), "--corpus_dir", str(tmp_path / "nowhere"), "--nj", "2")
        assert done.returncode != 0, done.stdout
        assert "which does not exist" in done.stdout and "--stage -1 (download)" in done.stdout, done.stdout


@pytest.mark.parametrize("recipe,expected", [("libritts", "LibriTTS or LibriTTS_R"), ("vctk", "VCTK-Corpus-0.92")])
def test_a_download_goes_to_a_folder_of_the_name_that_the_archive_brings(recipe, expected, tmp_path):
    script = ROOT / "egs" / recipe / "local" / "download.sh"
    done = subprocess.run([script, "--corpus_dir", tmp_path / "corpus"], capture_output=True, text=True)
    assert done.returncode == 1 and expected in done.stderr and "to fix it: give --corpus_dir" in done.stderr
    assert not list(tmp_path.iterdir())
