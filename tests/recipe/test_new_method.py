"""A method that exists in a folder outside the repository runs through every stage of the recipe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_copy import ROOT, copy_of, run

METHOD_PATH = Path(__file__).parent / "new_method"
SHORT = "train.max_steps=4 train.valid_every_steps=2 train.save_every_steps=2 batch.batch_s=8.0"
OPTIONS = ("--config", "../../tests/recipe/tiny.sh", "--nj", "2", "--ngpu", "0")
TOY = ("--method", "toy", "--method_path", str(METHOD_PATH), "--pretrain_args", SHORT, "--score_args", "--judge_max_per 1000")
NO_PHONES, NO_CODES = "Toy is trained without phones", "Toy has no code book"
REASONS = {
    ("asr", "toy_frozen_class"): NO_PHONES,
    ("asr", "toy_frozen_ctc"): NO_PHONES,
    ("asr", "toy_finetuned"): NO_PHONES,
    ("tts", "toy"): NO_PHONES,
    ("tts", "toy_finetuned"): NO_PHONES,
    ("vc", "toy_finetuned"): "Toy converts without fine-tuning",
    ("resynthesis", "toy_finetuned"): "Toy converts without fine-tuning",
}
"""Systems that the method does not have."""
OF_CONTENT = ("frame_rate_hz", "speaker_probe_pct", "speaker_probe_chance_pct")
"""Metrics of pre-training that continuous content has."""
OF_THE_CORPUS = ("names no item of", "no item has it", "speakers of test_unseen are not in train")
"""Reasons that any method has on this small corpus."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    recipe = copy_of("mini", tmp_path_factory.mktemp("new_method"))
    done = run(recipe, *OPTIONS, *TOY)
    assert done.returncode == 0, done.stdout[-4000:]
    return recipe, done.stdout


@pytest.mark.slow
def test_stages_of_the_method_run_and_the_others_say_why_not(finished):
    recipe, output = finished
    exp = recipe / "exp_tiny"
    assert (exp / "toy/pretrain/checkpoints/best.pt").exists()
    assert not any((exp / name).exists() for name in ("vqctap", "asr_finetuned", "tts", "vc", "toy/vc"))
    assert "Stage 8 (tts) is skipped: Toy is trained without phones." in output
    assert "Stage 9 (vc) is skipped: Toy converts without fine-tuning." in output
    assert "Stage 7 (asr): a part is skipped: Toy is trained without phones." in output
    for stage in (*range(5, 8), *range(10, 15)):
        stamp = next(exp.glob(f".stamps/{stage:02d}_*.json"))
        assert json.loads(stamp.read_text())["state"] == "done"
    again = run(recipe, *OPTIONS, *TOY)
    assert again.returncode == 0 and "Nothing to do: all 12 stages asked for are current." in again.stdout


@pytest.mark.slow
def test_every_row_is_a_number_or_says_that_the_method_cannot_have_it(finished):
    recipe, _ = finished
    rows = json.loads((recipe / "exp_tiny/results.json").read_text())
    own = [row for row in rows if row["system"].startswith("toy")]
    assert {(row["task"], row["system"]) for row in own} == {
        *REASONS, ("pretrain", "toy"), ("vc", "toy"), ("resynthesis", "toy")
    }  # fmt: skip
    for row in own:
        place = row["task"], row["system"]
        if place in REASONS:
            assert row["value"] is None and row["why"] == REASONS[place], row
        elif row["task"] == "pretrain" and row["metric"] not in (
            "frame_rate_hz",
            "speaker_probe_pct",
            "speaker_probe_chance_pct",
        ):
            assert row["why"] == (NO_PHONES if "retrieval" in row["metric"] else NO_CODES), row
        else:
            assert row["value"] is not None or any(reason in row["why"] for reason in OF_THE_CORPUS), row
    values = {
        (row["task"], row["metric"], row["set"]): row["value"] for row in own if (row["task"], row["system"]) not in REASONS
    }
    assert values["pretrain", "frame_rate_hz", "test_unseen"] == 50.0
    for place in (
        ("pretrain", "speaker_probe_pct", "test_seen"),
        ("vc", "secs_target", "test_unseen"),
        ("vc", "per", "test_unseen"),
        ("resynthesis", "mcd_db", "test_unseen"),
    ):
        assert values[place] is not None, place
    shared = {row["system"] for row in rows if row["value"] is not None} - {"toy"}
    assert shared >= {"aligner", "mel", "phones", "supervised_ctc", "natural", "vocoder", "griffin_lim"}


@pytest.mark.slow
def test_the_report_shows_the_audio_of_the_method(finished):
    recipe, _ = finished
    page = (recipe / "exp_tiny/report/index.html").read_text()
    assert "Toy" in page and page.count("converted") >= 1 and "Curves of toy/pretrain" in page
    for reason in ("Toy is trained without phones", "Toy converts without fine-tuning"):
        assert reason in page


@pytest.mark.slow
def test_the_packed_model_converts_and_says_what_it_cannot(finished):
    recipe, _ = finished
    pack = recipe / "exp_tiny/pack"
    assert sorted(p.name for p in pack.rglob("*") if p.is_file()) == sorted(
        ["README.md", *["config.json", "features.yaml", "model.safetensors"] * 2, "tokens.txt", "speakers.txt"]
    )
    assert (pack / "README.md").read_text().startswith("# Toy model")
    waves = [line.split()[1] for line in (recipe / "dump_tiny/test_unseen/wav.scp").read_text().splitlines()]
    script = f"""
import numpy
from ctaplib import CTAP
from ctaplib.errors import ConfigError
model = CTAP.from_pretrained({str(pack)!r})
wave = model.convert({waves[0]!r}, {waves[-1]!r})
assert numpy.array_equal(wave, model.convert({waves[0]!r}, {waves[-1]!r})), "noise is keyed"
assert numpy.isfinite(wave).all() and wave.std() > 0
frames = model.content({waves[0]!r})
assert abs(len(frames) - 50 * len(wave) / model.rate_hz) <= 1
for call in (lambda: model.encode({waves[0]!r}), lambda: model.recognize({waves[0]!r})):
    try:
        call()
    except ConfigError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "CTAP_METHOD_PATH": str(METHOD_PATH)}
    )
    assert done.returncode == 0, done.stderr
    assert NO_CODES in done.stdout and NO_PHONES in done.stdout


def test_without_its_folder_the_method_is_unknown():
    done = subprocess.run([sys.executable, "-m", "ctaplib.cli.main", "method", "toy"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "there is no 'toy'" in done.stderr


def test_ctap_method_describes_it():
    environment = {**os.environ, "CTAP_METHOD_PATH": str(METHOD_PATH)}
    words = [sys.executable, "-m", "ctaplib.cli.main", "method"]
    done = subprocess.run([*words, "toy"], capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    assert "task toy, run exp/toy/pretrain" in done.stdout and "codes     Toy has no code book" in done.stdout
    listed = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment, check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["toy", "vqctap"]
