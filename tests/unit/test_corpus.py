"""What the recipes' data preparation shares: the named folder, files of one name, shortened lists of faults."""

import subprocess
import sys
from pathlib import Path

import pytest
from corpus_trees import ROOT

from ctaplib.corpus.recipe import files_in
from ctaplib.errors import DataError, counted, shortened


@pytest.mark.parametrize("recipe", ["libritts", "vctk", "aishell", "aishell3", "speechocean762"])
def test_a_corpus_that_nobody_names_or_that_is_not_there(recipe: str, tmp_path: Path) -> None:
    for corpus, told in (
        ("", "error: no corpus is named"),
        (tmp_path / "none", f"error: there is no folder {tmp_path / 'none'}"),
    ):
        script = ROOT / "egs" / recipe / "local" / "data.py"
        command = [sys.executable, script, "--corpus_dir", corpus, "--data", tmp_path / "data"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.startswith(told) and "--corpus_dir DIR" in done.stderr, done.stderr
        assert "usage:" not in done.stderr and not (tmp_path / "data").exists()


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "b.wav", ".b.flac"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"1 utterance;") as caught:
        files_in(tmp_path, (".wav", ".flac"))
    assert caught.value.faults == (f"a: {tmp_path / 'a.flac'} and {tmp_path / 'a.wav'}",)
    assert files_in(tmp_path, (".wav",)).keys() == {"a", "b"}


def test_numbers_and_shortened_lists() -> None:
    assert [counted(1, "fault"), counted(2, "fault"), counted(0, "word is", "words are")] == [
        "1 fault",
        "2 faults",
        "0 words are",
    ]
    assert shortened(["x"] * 20) == ["x"] * 20
    assert shortened(["x"] * 99)[19:] == ["x", "... and 79 more"]
