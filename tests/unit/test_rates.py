"""Nothing rests on frames of 10 ms or content at 25 Hz: a hop of 256 at 22.05 kHz, and content at 12.5 and 50 Hz."""

from pathlib import Path

import pytest
import torch
from small_configs import small_task

from ctaplib.audio.settings import FeatureConfig
from ctaplib.data.extract import extract_sets
from ctaplib.errors import ConfigError
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

ALONE = World(0, 1, torch.device("cpu"))
SETS = ("train", "dev", "train_speech")


def fit(task: Task) -> Task:
    Trainer(task, ALONE).fit()
    return task


@pytest.fixture(scope="module")
def slow_hop(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus with features at 22.05 kHz, 86.13 frames a second."""
    folder = tmp_path_factory.mktemp("slow_hop")
    (folder / "data").symlink_to(tiny / "data")
    config = FeatureConfig(rate_hz=22050, hop_samples=256, window_samples=1024, fft_size=1024)
    extract_sets(folder / "data", folder / "dump", SETS, "train", config)
    (folder / "dump" / "token_list").symlink_to(tiny / "dump" / "token_list")
    return folder


@pytest.mark.parametrize("hop", [2, 8])
def test_every_task_trains_at_another_rate_of_content(hop: int, tiny: Path, tmp_path: Path) -> None:
    words = (f"model.speech.hop={hop}", f"model.phoneme_decoder.ctc_factor={2 if hop == 8 else 1}", "alarm_after=2.0")
    trained = fit(small_task("vqctap", tiny, tmp_path / "vqctap", *words))
    assert trained.model.hop == trained.hop == hop
    for name in ("asr", "tts", "vc"):
        task = fit(small_task(name, tiny, tmp_path / name, pretrained=tmp_path / "vqctap"))
        batch = task.load("train", task.train_plan(0)[0], 1)
        assert task.hop == hop and batch.mel.shape[1] % hop == 0 and (batch.mel_lengths % hop == 0).all()
        assert batch.frame_labels.shape[1] == batch.mel.shape[1] // hop
        assert ((batch.frame_labels >= 0).sum(1) == batch.mel_lengths // hop).all()


def test_an_utterance_with_too_few_frames_for_ctc_is_listed(tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path, "model.speech.hop=8", "model.phoneme_decoder.ctc_factor=1", "batch.min_s=0.1")
    reasons = [line for line in (tmp_path / "left_out_train.tsv").read_text().splitlines() if "for CTC" in line]
    assert all("frames of 80 ms for CTC, it has" in line for line in reasons)
    for utt, frames in zip(task.train.utts, task.train.lengths):
        assert len(task.train.labelled[utt].labels) <= frames // 8


def test_training_at_a_hop_of_256_at_22_khz(slow_hop: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", slow_hop, tmp_path / "vqctap", "draw.tempo=0.1", "draw.mask_frames=5", "alarm_after=2.0")
    ends = [task.train.store.lengths()[utt] / task.features.frames_per_s for utt in task.train.utts]
    assert task.train.rates.features.hop_samples == 256 and max(ends) < 20
    batch = task.load("train", task.train_plan(0)[0], 1)
    assert torch.equal(batch.durations.sum(1), batch.mel_lengths)
    assert batch.random.shape[1] >= batch.random_lengths.max() == int(0.8 * 22050 / 256) // 4 * 4
    stats = task.batch_stats(batch)
    assert stats.audio_s == pytest.approx(batch.frames * 256 / 22050)
    fit(task)
    fit(small_task("tts", slow_hop, tmp_path / "tts", pretrained=tmp_path / "vqctap"))


def test_a_vocoder_at_a_hop_of_256_at_22_khz(slow_hop: Path, tmp_path: Path) -> None:
    task = small_task("vocoder", slow_hop, tmp_path)
    batch = task.load("train", task.train_plan(0)[0], 1)
    assert batch.mel.shape[1] == round(0.4 * 22050 / 256) == task.item_frames([0])[0]
    assert batch.wave.shape[1] == 256 * batch.mel.shape[1]
    fit(task)


def test_sets_of_different_front_ends_are_refused(slow_hop: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tiny / "data")
    (tmp_path / "dump").mkdir()
    for name, dump in {"train": slow_hop, "dev": tiny, "train_speech": slow_hop, "token_list": tiny, "stats.npz": tiny}.items():
        (tmp_path / "dump" / name).symlink_to(dump / "dump" / name)
    with pytest.raises(ConfigError, match="the features of dev have other settings than those of train"):
        small_task("vqctap", tmp_path, tmp_path / "exp")
