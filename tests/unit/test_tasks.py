"""Every task on a tiny corpus: it learns, it resumes bit for bit, its terms can be switched off, its model loads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_configs import small_task

from ctaplib.checkpoint import weights_digest
from ctaplib.data.labels import Labelled
from ctaplib.data.transform_tempo import change_tempo
from ctaplib.data.transforms import Example
from ctaplib.errors import CheckpointError, CollapseError, ConfigError, CtapError, DataError
from ctaplib.runs.listing import read_metrics
from ctaplib.runs.log import RunLog
from ctaplib.tasks.base import Task, TaskPaths
from ctaplib.tasks.load import load_task, read_task_config, task_class
from ctaplib.tasks.vqctap import VQCTAPSchedule
from ctaplib.train.batches import LocalBatch
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer

TERMS = tuple(VQCTAPSchedule.model_fields)
ALONE = World(0, 1, torch.device("cpu"))


def fit(task: Task) -> Task:
    Trainer(task, ALONE).fit()
    return task


@pytest.fixture(scope="session")
def pretrained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("pretrained") / "vqctap"
    fit(small_task("vqctap", tiny, exp))
    return exp


def make(name: str, tiny: Path, exp: Path, pretrained: Path, *words: str) -> Task:
    init = {} if name == "vqctap" else {"pretrained": pretrained}
    return small_task(name, tiny, exp, *words, **init)


@pytest.mark.parametrize("name", ["vqctap", "asr", "tts", "vc"])
def test_resume_is_exact_and_the_model_loads(name: str, tiny: Path, tmp_path: Path, pretrained: Path) -> None:
    whole = fit(make(name, tiny, tmp_path / "whole", pretrained))
    killed = Trainer(make(name, tiny, tmp_path / "killed", pretrained), ALONE)
    plain = killed.steps.take

    def dying(local: LocalBatch, micros: list[object]) -> dict[str, float]:
        if local.step == 4:
            raise KeyboardInterrupt
        return plain(local, micros)

    killed.steps.take = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.fit()
    again = fit(make(name, tiny, tmp_path / "killed", pretrained))
    assert weights_digest(again.model) == weights_digest(whole.model)
    measured = {name for record in read_metrics(tmp_path / "whole") if record["split"] == "valid" for name in record}
    assert set(whole.metrics) - {"piece_error_pct"} <= measured  # word pieces only where there is a model of them
    loaded = load_task(tmp_path / "whole")
    assert loaded.config == whole.config and not loaded.model.training


def test_the_loss_falls(tiny: Path, tmp_path: Path) -> None:
    task = small_task(
        "vqctap",
        tiny,
        tmp_path,
        "draw.voice=0.0",
        "optim={lr: 5e-3, warmup_steps: 5}",
        "train.max_steps=60",
        "train.valid_every_steps=60",
    )
    batch = task.load("train", task.train_plan(0)[0], 1)
    before = {n: t.mean.item() for n, t in task.losses(batch, 60, "model").items()}
    fit(task)
    after = {n: t.mean.item() for n, t in task.losses(batch, 60, "model").items()}
    assert all(after[n] < 0.9 * before[n] for n in ("contrastive", "classify", "ctc", "mel"))


@pytest.mark.parametrize("off", TERMS)
def test_every_term_can_be_switched_off(off: str, tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path, *(f"schedule.{t}.points=[[0.0, {float(t != off)}]]" for t in TERMS))
    terms = task.losses(task.load("train", task.train_plan(0)[1], 1), 1, "model")
    assert task.weights(1, "model")[off] == 0.0 and set(terms) == set(TERMS)
    assert all(float(terms[t].count) > 0 for t in TERMS if t != off)


@pytest.mark.parametrize("slot", ["ema", "fsq", "sim", "residual"])
def test_every_quantiser_trains(slot: str, tiny: Path, tmp_path: Path) -> None:
    off = "alarm_after=2.0"  # two steps from nothing say little about collapse
    task = small_task("vqctap", tiny, tmp_path, f"model.quantizer={{name: {slot}}}", "train.max_steps=2", off)
    assert fit(task).model.quantizer.codebook_size > 0


def test_a_batch_is_the_same_however_it_is_shared(tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path)
    items = task.train_plan(1)[0]
    together, alone = task.load("train", items, 7), task.load("train", items[1:2], 7)
    for name in ("mel", "random", "prompt", "labels", "frame_labels", "durations"):
        mine = getattr(alone, name)[0]
        assert torch.equal(getattr(together, name)[1, : len(mine)], mine)
    assert torch.equal(together.extra["warp"][1], alone.extra["warp"][0]) and torch.equal(together.noise[1], alone.noise[0])
    other = task.load("train", items[1:2], 8)
    assert not torch.equal(other.extra["warp"], alone.extra["warp"])


def test_durations_and_frame_labels_fit_the_mel(tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path)
    batch = task.load("train", task.train_plan(0)[0], 1)
    assert torch.equal(batch.durations.sum(1), batch.mel_lengths)
    assert ((batch.frame_labels >= 0).sum(1) == batch.mel_lengths // 4).all()
    assert (batch.labels_lengths <= batch.mel_lengths // 2).all()


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_a_change_of_tempo_keeps_labels_on_their_frames(factor: float) -> None:
    durations = np.array([8, 1, 3, 20, 12, 16])
    phone = np.repeat(np.arange(6), durations)  # every frame's mel and F0 say which phone it is
    labels = phone[2::4]
    track = phone.astype(np.float32)
    row = Example("u", track[:, None].repeat(3, 1), track, track, Labelled(np.arange(6), durations, labels, np.arange(6)))
    change_tempo(row, factor, 4)
    mel, known = row.mel, row.labelled
    assert len(mel) % 4 == 0 and abs(len(mel) - 60 * factor) < 4
    assert known.durations.sum() == len(mel) == len(row.f0_hz) == 4 * len(known.frame_labels)
    moved = np.repeat(np.arange(6), known.durations)
    assert (np.abs(row.f0_hz - moved) > 0.5).sum() <= 5  # at most a frame at each boundary
    assert (np.abs(mel[:, 0] - moved) > 0.75).sum() <= 6
    assert (known.frame_labels != moved[2::4]).sum() <= 2
    if factor == 1.0:
        assert (known.durations == durations).all() and (known.frame_labels == labels).all()


def test_the_encoder_input_is_masked_and_the_target_is_not(tiny: Path, tmp_path: Path) -> None:
    plain = small_task("vqctap", tiny, tmp_path / "a", "draw.mask_bands=0", "draw.mask_frames=0")
    masked = small_task("vqctap", tiny, tmp_path / "b", "draw.mask_bands=6", "draw.mask_frames=6")
    items = plain.train_plan(0)[0]
    a, b = plain.load("train", items, 1), masked.load("train", items, 1)
    assert "masked_mel" not in a.extra and torch.equal(a.mel, b.mel) and torch.equal(a.prompt, b.prompt)
    assert b.extra["masked_mel"].shape == b.mel.shape and not torch.equal(b.extra["masked_mel"], b.mel)
    assert not torch.equal(plain.encoder_input(a), masked.encoder_input(b))
    assert not masked.load("valid", [0], 1).extra


def test_a_collapsed_code_book_stops_the_run(tiny: Path, tmp_path: Path) -> None:
    task = small_task(
        "vqctap", tiny, tmp_path, "min_usage_pct=50.0", "alarm_after=0.0", "train.max_steps=2", "train.valid_every_steps=1"
    )
    with torch.no_grad():
        task.model.quantizer.project_in.weight.zero_()  # every frame falls to one code
        task.model.quantizer.project_in.weight.requires_grad_(False)
    with pytest.raises(CollapseError, match=r"the codebook has collapsed at step 1.*set a smaller code_dim"):
        fit(task)


def test_a_token_list_that_does_not_fit_the_checkpoint(tiny: Path, tmp_path: Path, pretrained: Path) -> None:
    import shutil

    copy = tmp_path / "vqctap"
    shutil.copytree(pretrained, copy)
    tokens = (copy / "tokens.txt").read_text().splitlines()
    (copy / "tokens.txt").write_text("\n".join(tokens[:-2]) + "\n")
    with pytest.raises(CheckpointError, match=r"best\.pt does not fit the model: phoneme_encoder\.embedding\.weight is"):
        load_task(copy)


def test_a_run_of_another_kind_is_refused(tiny: Path, tmp_path: Path, pretrained: Path) -> None:
    from ctaplib.models.recognizer import Recognizer

    with pytest.raises(ConfigError, match=r"is a run of vqctap: its model is a VQCTAP; expected a run with a Recognizer"):
        load_task(pretrained, Recognizer)


def test_what_needs_a_pretrained_model_says_so(tiny: Path, tmp_path: Path) -> None:
    for name in ("tts", "vc"):
        with pytest.raises(ConfigError, match=r"starts from a pre-trained model.*run of vqctap.*give --init pretrained=RUN"):
            small_task(name, tiny, tmp_path)


@pytest.mark.parametrize("name", ["vqctap", "vocoder", "align"])
def test_a_run_whose_folder_cannot_be_made_is_told_before_it_starts(name: str, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "exp").write_text("a file in the way")
    for exp in (tmp_path / "exp", tmp_path / "exp" / name):
        with pytest.raises(CtapError, match=r"cannot make the folder .*exp.* is no folder"):
            small_task(name, tiny, exp)
    with pytest.raises(CtapError, match="cannot make the folder"):
        RunLog(tmp_path / "exp")


@pytest.mark.parametrize("name", ["vqctap", "vocoder"])
@pytest.mark.parametrize(
    ("train_set", "valid_set", "wrong", "near"), [("trian", "dev", "trian", "train"), ("train", "dve", "dve", "dev")]
)
def test_a_set_whose_name_is_not_there_is_told_with_those_that_are(
    name: str, train_set: str, valid_set: str, wrong: str, near: str, tiny: Path, tmp_path: Path
) -> None:
    paths = TaskPaths(tiny / "data", tiny / "dump", tmp_path / "exp", train_set, valid_set)
    said = rf"there is no set {wrong} in .*dump: .*{wrong}/feats.scp is missing; expected one of dev, .*train.*; to fix it: "
    with pytest.raises(
        ConfigError, match=said + rf"correct its name \(did you mean {near}\?\), or run stage 3 \(ctap features\)"
    ):
        task_class(name)(read_task_config(name, None, ()), paths)


def test_missing_alignments_name_the_stage(tiny: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny / "data", tmp_path / "data")
    (tmp_path / "dump").symlink_to(tiny / "dump")
    (tmp_path / "data" / "dev" / "phones.ctm").unlink()
    with pytest.raises(DataError, match=r"phones\.ctm is missing.*run stage 4"):
        small_task("vqctap", tmp_path, tmp_path / "exp")


def test_utterances_that_cannot_be_used_are_listed(tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path, "batch.max_s=2.5")
    rows = (tmp_path / "left_out_train.tsv").read_text().splitlines()
    assert len(rows) > 1 and "s long, allowed are 0.3 to 2.5 s" in rows[1]
    assert max(task.train.lengths) <= 250
