"""The vocoder's task on a handful of tones: batches, turns, validation, what is saved."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ctaplib.audio.features import f0_track, log_mel
from ctaplib.audio.settings import FeatureConfig
from ctaplib.audio.store import ArkWriter
from ctaplib.config import save_config
from ctaplib.data.waves import SegmentConfig, WaveBatch, disturb
from ctaplib.errors import DataError
from ctaplib.files import write_table
from ctaplib.losses.terms import Term
from ctaplib.models.vocoder import VocoderConfig
from ctaplib.models.vocoder_f0 import F0ReaderConfig
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.vocoder import VocoderTask, VocoderTaskConfig

FEATURES = FeatureConfig()
HOP = FEATURES.hop_samples
CONFIG = VocoderTaskConfig.model_validate(
    {
        "batch": {"batch_s": 1.2, "min_s": 0.3},
        "segment": {"segment_s": 0.3, "blur": 0.5, "noise": 0.1},
        "model": VocoderConfig(channels=16, blocks=1, f0=F0ReaderConfig(channels=16, blocks=1)).model_dump(),
        "discriminator": {"channels": 4},
        "train": {"max_steps": 10},
        "schedule": {
            **{t: {"points": [(0.0, 1.0)]} for t in ("convergence", "log_magnitude", "mel", "f0", "voicing")},
            "discriminator": {"points": [(0.49, 0.0), (0.5, 1.0)]},
            "adversarial": {"points": [(0.69, 0.0), (0.7, 1.0)]},
            "feature_matching": {"points": [(0.69, 0.0), (0.7, 1.0)]},
        },
    }
)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of short tones with all their features."""
    root = tmp_path_factory.mktemp("dump")
    for name, count in (("train", 7), ("dev", 3)):
        folder = root / name
        folder.mkdir()
        waves = {}
        with ArkWriter(folder / "feats.scp") as feats, ArkWriter(folder / "f0.scp") as f0s:
            for i in range(count):
                samples = HOP * (28 + 9 * i) + 7
                time_s = np.arange(samples) / FEATURES.rate_hz
                wave = sum(np.sin(2 * np.pi * (100 + 21 * i) * k * time_s) / k for k in range(1, 8)) * 0.1
                path = folder / f"u{i}.wav"
                soundfile.write(path, wave, FEATURES.rate_hz, "PCM_16")
                wave = soundfile.read(path, dtype="float32")[0]
                waves[f"u{i}"] = str(path)
                feats[f"u{i}"], f0s[f"u{i}"] = log_mel(wave, FEATURES), f0_track(wave, FEATURES)
        write_table(folder / "wav.scp", waves)
        save_config(FEATURES, folder / "features.yaml")
    np.savez(root / "stats.npz", mean=np.full(80, -5.0, np.float32), std=np.full(80, 2.0, np.float32))
    return root


def make(dump: Path, exp: Path, config: VocoderTaskConfig = CONFIG) -> VocoderTask:
    torch.manual_seed(0)
    return VocoderTask(config, TaskPaths(dump, dump, exp, "train", "dev"))


def losses(task: VocoderTask, batch: WaveBatch, step: int, optimizer: str) -> dict[str, Term]:
    return task.losses(task.shared(batch, step), step, optimizer)


def test_batches_are_keyed_by_step_and_item_and_short_ones_are_listed(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    assert [len(b) for b in task.train_plan(0)] == [8]
    assert task.train_plan(0) != task.train_plan(1)
    both, alone, later = (task.load("train", i, s) for i, s in (([1, 4], 3), ([4], 3), ([4], 4)))
    assert both.wave.shape == (2, 30 * HOP) and both.mel.shape == (2, 30, 80)
    torch.testing.assert_close(both.wave[1], alone.wave[0], rtol=0, atol=0)
    torch.testing.assert_close(both.mel[1], alone.mel[0], rtol=0, atol=0)
    assert not torch.equal(alone.wave, later.wave)
    assert (tmp_path / "left_out_train.tsv").read_text().splitlines() == [
        "set\tutt\treason",
        "train\tu0\t0.28 s long, allowed are 0.3 to 20.0 s",
    ]


def test_a_segment_fits_its_features(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    wave, mel, f0 = task.train.cut("u3", 5, 20)
    whole = soundfile.read(task.train.waves["u3"], dtype="float32")[0]
    np.testing.assert_array_equal(wave.numpy(), whole[5 * HOP : 25 * HOP])
    np.testing.assert_allclose(mel.numpy(), log_mel(whole, FEATURES)[5:25], rtol=1e-5)
    assert f0.shape == (20,)


def test_audio_that_ends_early_is_named(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    soundfile.write(tmp_path / "short.wav", np.zeros(100), FEATURES.rate_hz)
    task.train.waves["u3"] = str(tmp_path / "short.wav")
    with pytest.raises(DataError, match=r"u3: .*short\.wav.* lies outside its .*make the features again"):
        task.train.cut("u3", 0, 20)


def test_the_discriminator_rests_until_its_time(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    batch = task.load("train", [1, 2], 1)
    assert task.updates(4) == ("generator",) and task.updates(5) == ("discriminator", "generator")
    early, late = (losses(task, batch, step, "generator") for step in (1, 8))
    assert "adversarial" not in early and {"adversarial", "feature_matching"} <= set(late)
    for step in (1, 5, 8):
        for optimizer in task.optimizers:
            terms = losses(task, batch, step, optimizer)
            assert set(terms) == set(task.weights(step, optimizer))
            assert all(torch.isfinite(t.mean) for t in terms.values())


def test_each_optimizer_moves_its_own_weights(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    batch = task.load("train", [1, 2], 8)
    model = task.model
    for optimizer, other in (("discriminator", "generator"), ("generator", "discriminator")):
        model.zero_grad(set_to_none=True)
        sum(t.mean for t in losses(task, batch, 8, optimizer).values()).backward()
        assert all(p.grad is not None for p in task.optimizer_parameters(optimizer))
        assert all(p.grad is None for p in task.optimizer_parameters(other))
    assert all(p.requires_grad for p in model.parameters())


def test_losses_add_up_over_parts_of_a_batch(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    items = [1, 3, 5]
    whole = losses(task, task.load("train", items, 8), 8, "generator")
    parts = [losses(task, task.load("train", [i], 8), 8, "generator") for i in items]
    for name, term in whole.items():
        assert sum(p[name].total.item() for p in parts) == pytest.approx(term.total.item(), rel=1e-3), name
        assert sum(float(p[name].count) for p in parts) == float(term.count), name


def test_validation_uses_the_f0_that_is_read(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    (plan,) = task.valid_plan()
    batch = task.load("valid", plan, 0)
    blind = type(batch)(batch.wave, batch.mel, torch.zeros_like(batch.f0_hz), batch.lengths, batch.noise_start)
    seen, unseen = task.evaluate(batch), task.evaluate(blind)
    assert seen["mel"].mean == unseen["mel"].mean
    assert float(unseen["f0_error_st"].count) == 0
    assert seen["loss"] is seen["log_magnitude"] and set(seen) == set(task.metrics)


def test_without_training_only_the_header_is_needed(dump: Path, tmp_path: Path) -> None:
    task = make(dump, tmp_path)
    save_config(FEATURES, tmp_path / "features.yaml")
    other = VocoderTask(CONFIG, TaskPaths(tmp_path, tmp_path, tmp_path, "", ""), training=False)
    other.model.load_state_dict(task.model.state_dict())
    mel = task.valid.whole([1]).mel[0]
    ours, theirs = (t.model.eval().generator.generate([mel])[0] for t in (task, other))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_disturbance_can_be_switched_off_and_blur_keeps_the_mean() -> None:
    mel = torch.randn(40, 80, generator=torch.Generator().manual_seed(0))
    assert torch.equal(disturb(mel, SegmentConfig(), np.random.default_rng(0)), mel)
    blurred = disturb(mel, SegmentConfig(blur=1.0, blur_chance=1.0), np.random.default_rng(0))
    assert blurred.shape == mel.shape and blurred.std() < 0.95 * mel.std()
    assert blurred.mean().item() == pytest.approx(mel.mean().item(), abs=0.01)


def test_what_is_shown_is_the_wave_that_was_made(dump: Path, tmp_path: Path) -> None:
    task = VocoderTask(CONFIG, TaskPaths(dump, dump, tmp_path, "train", "dev"))
    task.model.eval()
    items = task.preview_items(2)
    assert len(items) == 2 and items == task.preview_items(2)
    batch = task.load("valid", items, 0)
    with torch.no_grad():
        shown = task.previews(batch)
    for one, item in zip(shown, items):
        frames = task.valid.lengths[item]
        assert one.utt == task.valid.utts[item] and one.seconds == pytest.approx(frames * FEATURES.hop_s)
        assert [mel.shape for mel in one.mels.values()] == [(frames, FEATURES.n_mels)] * 2
        assert {name: len(wave) for name, wave in one.waves.items()} == {"original": frames * HOP, "resynthesised": frames * HOP}
        again = log_mel(one.waves["original"], FEATURES)  # ends otherwise: the rest of the file is not heard
        np.testing.assert_allclose(one.mels["target"][:-3], again[:-3], atol=1e-3)
    train = task.load("train", task.train_plan(0)[0], 1)
    extent = task.batch_stats(train)
    assert (extent.items, extent.frames, extent.padded) == (len(train.wave), int(train.lengths.sum()), train.mel[..., 0].numel())
