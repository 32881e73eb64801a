"""What tasks and transforms add to a batch: padded, keyed by utterance, and without a change of any other number."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_configs import SMALL, small_task

import ctaplib.data
from ctaplib.data.batch import Entry, Padded
from ctaplib.data.dataset import SpeechSet
from ctaplib.data.transforms import Example, keyed_rng
from ctaplib.errors import ConfigError
from ctaplib.tasks.asr import ASRTask
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.load import read_task_config
from ctaplib.tensors import map_tensors
from ctaplib.train.steps import on_device

LOUDER = "transforms=[{name: louder, options: {most: 0.5}}]"


class SpeakerTask(ASRTask):
    """Adds the speaker, noise for every frame and a sequence that counts no frames."""

    with_speakers = True

    def extra(self, example: Example, source: SpeechSet, step: int) -> dict[str, Entry]:
        utt, frames = example.utt, len(example.mel)
        rng = keyed_rng(self.config.seed, step, utt, "noise")
        return {
            "speaker": np.array(self.speakers.get(source.speakers[utt], -1)),
            "noise": Padded(rng.standard_normal((frames, 2)), hop=1),
            "content_noise": Padded(rng.standard_normal(frames // self.hop), hop=self.hop),
            "letters": Padded(np.arange(1 + len(utt) + frames % 7), fill=-1),
        }


def paths(tiny: Path, exp: Path) -> TaskPaths:
    return TaskPaths(tiny / "data", tiny / "dump", exp, "train", "dev", "train_speech")


@pytest.fixture
def task(tiny: Path, tmp_path: Path) -> SpeakerTask:
    config = read_task_config("asr", None, ("batch.batch_s=12", *SMALL["asr"]))
    return SpeakerTask(config, paths(tiny, tmp_path / "speakers"))


def test_entries_of_a_task_are_padded_and_change_no_other_number(task: SpeakerTask, tiny: Path, tmp_path: Path) -> None:
    items = task.train_plan(0)[1]
    plain = ASRTask(task.config, paths(tiny, tmp_path / "plain")).load("train", items, 3)
    batch, again = task.load("train", items, 3), task.load("train", items[1:2], 3)
    for name in ("mel", "f0_hz", "prompt", "labels", "frame_labels"):
        assert torch.equal(getattr(plain, name), getattr(batch, name))
    assert all(torch.equal(plain.extra[name], batch.extra[name]) for name in ("warp", "masked_mel"))
    extra, width = batch.extra, batch.mel.shape[1]
    assert extra["speaker"].dtype == torch.int64 and extra["speaker"].shape == (len(items),)
    assert extra["noise"].shape == (len(items), width, 2) and extra["content_noise"].shape == (len(items), width // task.hop)
    assert extra["noise"].dtype == torch.float32 and extra["letters_lengths"].max() == extra["letters"].shape[1]
    assert (extra["letters"] >= 0).sum(1).equal(extra["letters_lengths"])
    assert torch.equal(again.extra["noise"][0], extra["noise"][1, : again.mel.shape[1]])
    doubled = map_tensors(batch, lambda t: t + t)
    assert torch.equal(doubled.extra["noise"], 2 * extra["noise"]) and doubled.ids == batch.ids
    on_meta = on_device(batch, torch.device("meta"))
    assert on_meta.extra["speaker"].device.type == on_meta.mel.device.type == "meta"


def test_the_table_of_speakers_lies_beside_the_model(task: SpeakerTask, tiny: Path) -> None:
    assert list(task.speakers) == sorted({task.train.speakers[u] for u in task.train.utts})
    assert list(task.speakers.values()) == list(range(len(task.speakers)))
    (task.paths.exp / "tokens.txt").write_bytes(task.assets()["tokens.txt"].read_bytes())
    (task.paths.exp / "features.yaml").write_bytes(task.assets()["features.yaml"].read_bytes())
    loaded = SpeakerTask(task.config, TaskPaths(*3 * [task.paths.exp], "", ""), training=False)
    assert loaded.speakers == task.speakers and "speakers.txt" in loaded.assets()
    valid = task.load("valid", [0], 1)
    assert valid.extra["speaker"].tolist() == [-1] and "warp" not in valid.extra  # a speaker of the validation set


def test_a_transform_is_added_by_a_file(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="there is no transform named 'louder'; expected one of mask, perturb, tempo, voice"):
        read_task_config("asr", None, [LOUDER])
    monkeypatch.setattr(ctaplib.data, "__path__", [*ctaplib.data.__path__, str(Path(__file__).with_name("plugins"))])
    with pytest.raises(ConfigError, match="there is no mst, did you mean most"):
        read_task_config("asr", None, ["transforms=[{name: louder, mst: 1.0}]"])
    plain, louder = small_task("vqctap", tiny, tmp_path / "a"), small_task("vqctap", tiny, tmp_path / "b", LOUDER)
    items = plain.train_plan(0)[0]
    a, b = plain.load("train", items, 2), louder.load("train", items, 2)
    gain = (b.mel - a.mel)[0, 0]
    assert gain.min() >= 0.25 and gain.max() <= 0.5 + 1e-4 and b.extra["frame_noise"].shape == (*b.mel.shape[:2], 3)
    assert torch.equal(a.extra["warp"], b.extra["warp"]) and torch.equal(a.noise, b.noise) and torch.equal(a.random, b.random)
    assert torch.equal(plain.load("valid", [0], 1).mel, louder.load("valid", [0], 1).mel)
    assert all(torch.isfinite(term.total) for term in louder.losses(b, 5, "model").values())


def test_two_entries_of_one_name_are_refused(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = small_task("asr", tiny, tmp_path)
    monkeypatch.setattr(task, "extra", lambda example, source, step: {"warp": np.zeros(2)})
    with pytest.raises(ConfigError, match="a transform and the task both add warp to a batch"):
        task.load("train", [0], 1)
