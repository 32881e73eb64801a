"""What is said where a folder is no run, and where a list leaves nothing to measure."""

from pathlib import Path

import pytest

from ctaplib.corpus.lists import VC_FIELDS
from ctaplib.errors import ConfigError
from ctaplib.evaluate.inputs import Inputs
from ctaplib.files import write_table, write_tsv
from ctaplib.tasks.load import load_task


def test_a_folder_of_runs_is_told_with_its_runs(tmp_path: Path) -> None:
    for run in ("tts", "vqctap"):
        (tmp_path / run / "checkpoints").mkdir(parents=True)
        (tmp_path / run / "checkpoints" / "best.pt").touch()
    with pytest.raises(ConfigError, match=rf"folder of runs; .*: {tmp_path}/tts {tmp_path}/vqctap$"):
        load_task(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.yaml is missing"):
        load_task(tmp_path / "tts")


def test_conversion_of_one_speaker_says_why_there_is_none(tmp_path: Path) -> None:
    write_tsv(tmp_path / "lists" / "vc_pairs.tsv", [], VC_FIELDS)
    for set_, speakers in (("test", ("a", "a")), ("two", ("a", "b"))):
        write_table(tmp_path / "data" / set_ / "utt2spk", {f"{spk}-{k}": spk for k, spk in enumerate(speakers)})
    folder = tmp_path / "exp"
    inputs = Inputs(folder, folder / "align", tmp_path / "data", tmp_path / "dump", tmp_path / "lists", ("test", "two"))
    why = inputs.decoded("vc", "vqctap", "test")
    assert isinstance(why, str) and "made no audio of test for vc: test has one speaker, and there is nobody to convert to" in why
    assert inputs.fixed_list("vc_pairs.tsv", "two") == "vc_pairs.tsv names no item of two"
