"""Watching a run: pictures and sounds that change nothing, the account of every epoch, TensorBoard without doubled points."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_configs import small_task
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_task import ToyTask

from ctaplib.checkpoint import weights_digest
from ctaplib.losses.terms import Term
from ctaplib.runs.listing import read_metrics
from ctaplib.runs.panels import Allowance, Panel, Preview, draw, posterior_panel
from ctaplib.tasks.base import BatchStats, Task, TaskPaths
from ctaplib.tasks.settings import PreviewConfig, TaskConfig, TrainConfig
from ctaplib.train.distributed import World
from ctaplib.train.meter import EpochTally
from ctaplib.train.previews import unchanged
from ctaplib.train.trainer import Trainer

ALWAYS = "preview.most_pct=1000000"
ALONE = World(0, 1, torch.device("cpu"))
SPEEDS = {"step_s", "data_wait_pct", "audio_h_per_h", "seconds"}


class Killed(Exception):
    """Stands for kill -9 at a step."""


def fit(task: Task) -> Task:
    Trainer(task, ALONE).fit()
    return task


@pytest.fixture(scope="module")
def pretrained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("pretrained") / "vqctap"
    fit(small_task("vqctap", tiny, exp, "train.max_steps=2", "preview.utts=0"))
    return exp


def board(exp: Path) -> EventAccumulator:
    """What TensorBoard shows of a run."""
    everything = {"scalars": 0, "images": 0, "audio": 0}
    return EventAccumulator(str(exp / "tensorboard"), size_guidance=everything).Reload()


def put_back(exp: Path, start: int) -> None:
    """Give the newest event file the time `start`: names hold seconds, and two starts in one second are in no order."""
    for path in (exp / "tensorboard").glob("events.out.tfevents.1*"):
        path.rename(path.with_name(f"events.out.tfevents.{start:010d}.here"))


def numbers(exp: Path) -> list[dict]:
    """The records of a run without those that tell of time."""
    return [{k: v for k, v in r.items() if k not in SPEEDS} for r in read_metrics(exp)]


@pytest.mark.parametrize("name", ["vqctap", "asr", "tts", "vc"])
def test_looks_change_no_number_and_show_every_task(name: str, tiny: Path, tmp_path: Path, pretrained: Path) -> None:
    init = {} if name == "vqctap" else {"pretrained": pretrained}
    words = ("train.log_every_steps=2",)
    plain = fit(small_task(name, tiny, tmp_path / "plain", *words, "preview.utts=0", **init))
    seen = fit(small_task(name, tiny, tmp_path / "seen", *words, ALWAYS, **init))
    assert weights_digest(plain.model) == weights_digest(seen.model)
    assert numbers(tmp_path / "plain") == numbers(tmp_path / "seen")
    assert not (tmp_path / "plain" / "images" / "previews").exists()
    pictures = sorted((tmp_path / "seen" / "images" / "previews").glob("*.png"))
    assert len(pictures) == 2 and all(np.asarray(Image.open(p).convert("L")).std() > 20 for p in pictures)
    told = board(tmp_path / "seen")
    for picture in pictures:
        assert [e.step for e in told.Images(f"previews/{picture.stem}")] == [3, 6]
        sounds = [t for t in told.Tags()["audio"] if t.startswith(f"{picture.stem}/")]
        assert f"{picture.stem}/original" in sounds
        assert any("Griffin-Lim" in t for t in sounds) == (name != "asr")
        assert [e.step for e in told.Audio(f"{picture.stem}/original")] == [3]
    for curve in ("losses", "learning_rate", "weights"):
        assert (tmp_path / "seen" / "images" / f"{curve}.png").exists()


def test_tensorboard_holds_every_term_weight_norm_rate_and_the_code_book(tiny: Path, tmp_path: Path) -> None:
    words = ("optim.lr_scale={prompt_encoder: 0.5}", "train.log_every_steps=2")
    task = fit(small_task("vqctap", tiny, tmp_path, *words))
    tags = set(board(tmp_path).Tags()["scalars"])
    wanted = {f"train/{t}" for t in task.weights(1, "model")} | {f"train/weight/{t}" for t in task.weights(1, "model")}
    wanted |= {"train/loss", "train/lr", "train/lr/prompt_encoder", "train/grad_norm/model", "train/audio_h_per_h"}
    wanted |= {"valid/codebook_usage_pct", "valid/perplexity", "valid/train_codebook_usage_pct", "epoch/padding_pct"}
    assert wanted <= tags
    rates = read_metrics(tmp_path)[0]
    assert rates["lr/prompt_encoder"] == pytest.approx(0.5 * rates["lr"])


def test_random_states_and_modes_are_as_before_a_look() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    model[0].eval()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    with pytest.raises(ValueError, match="broken"), unchanged(model):
        torch.rand(3)
        assert not any(m.training for m in model.modules())
        raise ValueError("broken")
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())
    assert [m.training for m in model.modules()] == [True, False, True]


def test_a_picture_that_fails_is_told_and_training_goes_on(tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = small_task("asr", tiny, tmp_path / "run")

    def broken(batch: object) -> None:
        raise RuntimeError("no paint left")

    task.previews = broken  # type: ignore[method-assign]
    assert Trainer(task, ALONE).fit() is True
    assert "the preview failed: RuntimeError('no paint left')" in (tmp_path / "run" / "train.log").read_text()


def test_looks_stay_within_their_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ctaplib.runs.panels.time.perf_counter", lambda: now[0])
    allowance = Allowance(1.0)
    taken = 0
    for _ in range(1000):
        now[0] += 10.0
        if allowance.covers("look"):
            with allowance.spend("look"):
                now[0] += 3.0
            taken += 1
        assert allowance.used_s <= 0.01 * now[0] + 2.1  # the first may cost more than the second it is taken for
    assert 0.008 * now[0] <= 3.0 * taken == allowance.used_s


class TalkingTask(ToyTask):
    """Counts its items as audio: batches of three items, the last of one, item i of i + 1 frames."""

    def train_plan(self, epoch: int) -> list[list[int]]:
        """Three batches."""
        return [[0, 1, 2], [3, 4, 5], [6, 7]]

    def load(self, split: str, items, step: int) -> torch.Tensor:
        """Inputs (B, 4); the items stand in the last column."""
        batch = super().load(split, items, step)
        batch[:, 3] = torch.tensor(items).float()
        return batch

    def batch_stats(self, batch: torch.Tensor) -> BatchStats:
        """Item i lasts i + 1 frames, padded to 8."""
        return BatchStats(len(batch), int((batch[:, 3] + 1).sum()), 8 * len(batch), 3600.0)


def talk(exp: Path, max_steps: int = 8, task: type[ToyTask] = TalkingTask) -> Trainer:
    train = TrainConfig(max_steps=max_steps, valid_every_steps=5, save_every_steps=2, log_every_steps=2, precision="fp32")
    return Trainer(task(TaskConfig(train=train), TaskPaths(exp, exp, exp, "train", "dev")), ALONE)


def epochs(exp: Path) -> list[dict]:
    return [r for r in read_metrics(exp) if r["split"] == "epoch"]


def test_every_epoch_is_accounted_for(tmp_path: Path) -> None:
    talk(tmp_path).fit()
    found = epochs(tmp_path)
    whole = {"steps": 3, "items": 8, "frames": 36, "padding_pct": pytest.approx(100 * (1 - 36 / 64))}
    part = {"steps": 2, "items": 6, "frames": 21, "padding_pct": pytest.approx(100 * (1 - 21 / 48))}
    assert [r["step"] for r in found] == [3, 6, 8] and [r["epoch"] for r in found] == [0, 1, 2]
    for record, wanted in zip(found, (whole, whole, part)):
        assert {k: record[k] for k in wanted} == wanted
        assert 0 <= record["data_wait_pct"] <= 100
        assert record["audio_h_per_h"] == pytest.approx(record["frames"] * 3600 / record["seconds"])


@pytest.mark.parametrize("killed_at", range(2, 9))
def test_a_killed_run_accounts_for_its_epochs_once_and_whole(tmp_path: Path, killed_at: int) -> None:
    talk(tmp_path / "whole").fit()
    first = talk(tmp_path / "killed")
    plain = first.task.losses

    def dying(batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        if step == killed_at and torch.is_grad_enabled():  # not in a validation
            raise Killed
        return plain(batch, step, optimizer)

    first.task.losses = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.fit()
    put_back(tmp_path / "killed", 1)
    talk(tmp_path / "killed").fit()
    put_back(tmp_path / "killed", 2)
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "killed")
    whole, killed = board(tmp_path / "whole"), board(tmp_path / "killed")
    assert set(whole.Tags()["scalars"]) == set(killed.Tags()["scalars"])
    for tag in whole.Tags()["scalars"]:
        points = [[e.step for e in told.Scalars(tag)] for told in (whole, killed)]
        assert points[0] == points[1] == sorted(set(points[0])), tag
    talk(tmp_path / "killed").fit()  # nothing is left to do, and nothing is told twice
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "killed")


def test_the_account_adds_up_over_processes_and_resumes() -> None:
    class Two(World):
        """Process 0 of two that took in the same."""

        def sum(self, values: torch.Tensor) -> torch.Tensor:
            """Both, of which only the main one counts steps and time."""
            return values + torch.tensor([0.0, 2, 30, 40, 3, 0, 0], dtype=torch.float64)

    world = Two(0, 2, torch.device("cpu"))
    tally = EpochTally({}, True)
    tally.add(BatchStats(2, 30, 40, 0.1), 0.5)
    kept = tally.join(world)
    assert (kept["steps"], kept["items"], kept["frames"], kept["padded_frames"], kept["audio_s"]) == (1, 4, 60, 80, 6.0)
    assert EpochTally(kept, True).sums == kept and not any(EpochTally(kept, False).sums.values())


def test_posteriors_stand_in_the_order_of_the_reference() -> None:
    chances = np.full((4, 5), 0.05, np.float32)
    chances[:, 4] = 0.8
    panel = posterior_panel(chances, "abcde", np.array([2, 2, 0, -100]), 1.0)
    assert list(panel.rows) == ["c", "a", "e"] and panel.values.shape == (3, 4)
    times, heights = panel.lines["reference"]
    assert times == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]
    assert heights[:6] == [0, 0, 0, 0, 1, 1] and np.isnan(heights[6:]).all()


def test_a_picture_has_a_panel_for_everything() -> None:
    mel = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    panels = {
        "a": Panel(mel[:, :3].T, ("x", "y", "z"), {"path": ([0, 0.5], [0, 2])}),
        "b": Panel(lines={"f": ([0, 1], [3, 4])}, unit="Hz"),
    }
    figure = draw(Preview("utt", 0.5, {"target": mel, "made": mel}, [("p", 0.0, 0.2), ("q", 0.2, 0.5)], panels))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["utt: target", "made", "a", "b"]
    assert {t.get_text() for t in figure.axes[0].texts} == {"p", "q"}


def test_watching_is_a_part_of_every_config() -> None:
    assert PreviewConfig() == TaskConfig().preview
    assert json.loads(TaskConfig().preview.model_dump_json())["most_pct"] == 1.0
