"""CTAP finds the method of a folder, asks it before it acts, gives F0 to models that use it, and loads other runs once."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_configs import small_task

from ctaplib import CTAP
from ctaplib.errors import CheckpointError, ConfigError, DataError
from ctaplib.files import read_table
from ctaplib.infer import api
from ctaplib.infer.speak import synthesize
from ctaplib.methods.base import find_method
from ctaplib.models.vqctap import VQCTAP
from ctaplib.phones import SILENCE
from ctaplib.tasks import load
from ctaplib.tasks.load import load_model, trained_method
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

VQCTAP_METHOD = find_method("vqctap")


@pytest.fixture(scope="module")
def exp(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one method, and of a twin of it under another name."""
    folder = tmp_path_factory.mktemp("exp")
    task = small_task("vqctap", tiny, folder / "one/vqctap", "train={max_steps: 1, valid_every_steps: 1}")
    Trainer(task, World(0, 1, torch.device("cpu"))).fit()
    (folder / "two/twin").mkdir(parents=True)
    for name in ("vqctap", "twin/pretrain"):
        (folder / "two" / name).symlink_to(folder / "one/vqctap")
    return folder


@pytest.fixture(scope="module")
def wav(tiny: Path) -> str:
    return sorted(read_table(tiny / "dump/dev/wav.scp").values())[0]


def test_the_method_of_a_folder_is_found(exp: Path, wav: str) -> None:
    model = CTAP.from_pretrained(exp / "one")
    assert model.method.name == "vqctap"
    alone = CTAP.from_pretrained(exp / "one/vqctap")
    assert np.array_equal(model.encode(wav), alone.encode(wav))
    assert model.content(wav).shape == (len(model.encode(wav)), 32)
    with pytest.raises(CheckpointError, match="no folder of runs to load vocoder from"):
        alone.convert(wav, wav)


def test_a_run_of_an_earlier_version_loads(exp: Path, wav: str, tmp_path: Path) -> None:
    old = shutil.copytree(exp / "one", tmp_path / "old")
    config = (old / "vqctap/config.yaml").read_text()
    assert "\npreview:\n" in config
    (old / "vqctap/config.yaml").write_text(config.replace("\npreview:\n", "\nwatch:\n"))
    assert np.array_equal(CTAP.from_pretrained(old).encode(wav), CTAP.from_pretrained(exp / "one").encode(wav))


def test_a_folder_without_a_model_or_with_several_is_refused(exp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"holds no pre-trained model; expected .* vqctap"):
        CTAP.from_pretrained(tmp_path)
    methods = {"vqctap": VQCTAP_METHOD, "twin": replace(VQCTAP_METHOD, name="twin", runs={})}
    monkeypatch.setattr(load, "method_names", lambda: list(methods))
    monkeypatch.setattr(load, "find_method", methods.__getitem__)
    monkeypatch.setattr(api, "find_method", methods.__getitem__)
    with pytest.raises(ConfigError, match="several methods: vqctap, twin; to fix it: name one"):
        trained_method(exp / "two")
    assert CTAP.from_pretrained(exp / "two", "twin").method.name == "twin"


def test_what_a_method_cannot_do_is_an_error_with_its_reason(exp: Path, wav: str) -> None:
    task, _ = load_model(exp / "one/vqctap")
    plain = replace(VQCTAP_METHOD, abilities=frozenset({"content"}), tasks={"pretrain": "vqctap"}, why_not={"codes": "no book"})
    model = CTAP(task, plain)
    assert len(model.content(wav)) > 0
    with pytest.raises(ConfigError, match="no book; to fix it: use another method than vqctap"):
        model.encode(wav)
    for call in (
        lambda: model.recognize(wav),
        lambda: model.convert(wav, wav),
        lambda: model.synthesize(["a"], wav),
    ):
        with pytest.raises(ConfigError, match=r"VQ-CTAP (cannot|does not)"):
            call()


def test_a_model_without_a_declared_ability_is_refused(exp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(VQCTAP, "speak")
    with pytest.raises(ConfigError, match="a run of vqctap, whose model VQCTAP has no speak"):
        load_model(exp / "one/vqctap")


def test_a_model_that_uses_f0_is_given_it(exp: Path, wav: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CTAP.from_pretrained(exp / "one")
    plain, given = VQCTAP.content, []

    def content(self: VQCTAP, mel: torch.Tensor, lengths: torch.Tensor, f0_hz: torch.Tensor | None = None):
        given.append((mel.shape[:2], None if f0_hz is None else f0_hz.shape))
        return plain(self, mel, lengths, f0_hz)

    monkeypatch.setattr(VQCTAP, "content", content)
    before = model.encode(wav)
    monkeypatch.setattr(VQCTAP, "uses_f0", True)
    assert np.array_equal(model.encode(wav), before)
    assert given[0][1] is None and given[1][1] == given[1][0]


def test_the_vocoder_is_loaded_once(exp: Path, wav: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, plain = [], api.load_vocoder
    monkeypatch.setattr(api, "load_vocoder", lambda *args: loads.append(args) or plain(*args))
    model = CTAP.from_pretrained(exp / "one")
    first, second = model.convert(wav, wav), model.convert(wav, wav)
    assert np.array_equal(first, second) and len(loads) == 1
    assert len(first) == len(model.encode(wav)) * model.task.hop * model.task.features.hop_samples


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match=r"the speed is .*; expected a positive number"):
        synthesize(None, None, {"a": ["AA1"]}, prompts={}, speed=speed)  # type: ignore[arg-type]


def test_an_utterance_without_phones_is_refused() -> None:
    with pytest.raises(DataError, match="2 utterances have no phones"):
        synthesize(None, None, {"a": [SILENCE], "b": [], "c": ["AA1"]}, prompts={})  # type: ignore[arg-type]
