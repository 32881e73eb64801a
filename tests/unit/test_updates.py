"""Optimizers and their updates: settings of each, inner updates, a shared forward pass, and names that must not repeat."""

import argparse
from pathlib import Path

import pytest
import torch
from inner_task import INNER, InnerConfig, InnerTask
from toy_task import ToyTask

from ctaplib.checkpoint import load_checkpoint, save_checkpoint, weights_digest
from ctaplib.cli import train
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantizer, QuantizerSlot
from ctaplib.runs.listing import read_metrics
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TrainConfig
from ctaplib.train.batches import LocalBatch
from ctaplib.train.distributed import World
from ctaplib.train.optim import learning_rate
from ctaplib.train.trainer import Trainer

ALONE = World(0, 1, torch.device("cpu"))
STEPS = 8


def make(exp: Path, task: type[ToyTask] = InnerTask, micro_frames: int | None = 0, **options: object) -> Trainer:
    options_of_train = {
        "max_steps": STEPS,
        "valid_every_steps": 4,
        "save_every_steps": 3,
        "log_every_steps": 1,
        "precision": "fp64",
    }
    options_of_train |= {name: options.pop(name) for name in list(options) if name in TrainConfig.model_fields}
    config = task.Config.model_validate({"train": options_of_train, "optim": {"warmup_steps": 2}, **options})
    return Trainer(task(config, TaskPaths(exp, exp, exp, "train", "dev")), ALONE, "", micro_frames)


def by_hand(exp: Path) -> torch.nn.Module:
    """Train an `InnerTask` with plain torch."""
    task = InnerTask(InnerConfig(), TaskPaths(exp, exp, exp, "train", "dev"))
    task.model.double()
    configs = {"estimator": task.config.estimator, "model": OptimConfig(warmup_steps=2)}
    held = {name: list(task.optimizer_parameters(name)) for name in configs}
    made = {}
    for name, config in configs.items():
        groups = [{"params": [p for p in held[name] if p.dim() > 1], "weight_decay": config.weight_decay}]
        groups.append({"params": [p for p in held[name] if p.dim() == 1], "weight_decay": 0.0})
        made[name] = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
    plan = [items for epoch in range(2) for items in task.train_plan(epoch)]
    for step, items in enumerate(plan[:STEPS], start=1):
        shared = task.shared(task.load("train", items, step), step)
        for name in ["estimator"] * INNER + ["model"]:
            for group in made[name].param_groups:
                group["lr"] = learning_rate(configs[name], step, STEPS)
            made[name].zero_grad()
            terms, weights = task.losses(shared, step, name), task.weights(step, name)
            sum(weights[term] * terms[term].mean for term in terms).backward()
            torch.nn.utils.clip_grad_norm_(held[name], configs[name].grad_clip)
            made[name].step()
    return task.model


def test_five_inner_updates_with_settings_of_their_own_are_those_of_plain_torch(tmp_path: Path) -> None:
    trainer = make(tmp_path / "ours")
    assert trainer.fit()
    for ours, theirs in zip(trainer.task.model.parameters(), by_hand(tmp_path / "theirs").parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_every_optimizer_has_its_learning_rate_and_norm_in_the_record(tmp_path: Path) -> None:
    make(tmp_path / "two", optim={"warmup_steps": 2, "lr_scale": {"head": 0.5}}).fit()
    first = next(record for record in read_metrics(tmp_path / "two") if record["split"] == "train")
    assert first["lr/estimator"] == 0.02 and first["lr/model"] == 5e-4 and first["lr/head"] == 2.5e-4 and "lr" not in first
    assert {"grad_norm/estimator", "grad_norm/model", "estimate", "fit", "bound"} <= set(first)
    make(tmp_path / "one", ToyTask).fit()
    alone = next(record for record in read_metrics(tmp_path / "one") if record["split"] == "train")
    assert alone["lr"] == 5e-4 and not any(name.startswith("lr/") for name in alone)


def test_the_shared_pass_is_made_once_a_step(tmp_path: Path) -> None:
    trainer = make(tmp_path, valid_every_steps=STEPS)
    trainer.fit()
    assert [step for step in trainer.task.encoded if step] == list(range(1, STEPS + 1))


def test_micro_batches_give_the_updates_of_the_whole(tmp_path: Path) -> None:
    whole, parts = make(tmp_path / "whole"), make(tmp_path / "parts", micro_frames=200)
    assert whole.fit() and parts.fit()
    for one, other in zip(whole.task.model.parameters(), parts.task.model.parameters()):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("micro_frames", [0, 200])
def test_repeated_updates_draw_anew_and_a_step_draws_the_same_again(micro_frames: int, tmp_path: Path) -> None:
    drawn = []
    for number in range(2):
        trainer = make(tmp_path / str(number), micro_frames=micro_frames, noise=0.1, max_steps=2, valid_every_steps=2)
        trainer.fit()
        drawn.append(trainer.task.drawn)
    assert drawn[0] == drawn[1]
    of_a_step = 2 * INNER if micro_frames == 0 else 2 * INNER * 2 * 2  # two micro-batches, in two passes that draw the same
    assert len(drawn[0]) == of_a_step and len(set(drawn[0])) == (of_a_step if micro_frames == 0 else of_a_step // 2)


@pytest.mark.parametrize("micro_frames", [0, 200])
@pytest.mark.parametrize("killed_at", [2, 5, STEPS])
def test_a_killed_run_goes_on_bit_for_bit(killed_at: int, micro_frames: int, tmp_path: Path) -> None:
    options = {"noise": 0.1, "precision": "fp32", "micro_frames": micro_frames, "optim": {"ema_decay": 0.9}}
    whole, first = make(tmp_path / "whole", **options), make(tmp_path / "killed", **options)
    assert whole.fit()
    plain = first.steps.take

    def dying(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        if local.step == killed_at:
            raise KeyboardInterrupt
        return plain(local, micros)

    first.steps.take = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    again = make(tmp_path / "killed", **options)
    assert again.fit() and weights_digest(again.task.model) == weights_digest(whole.task.model)


def test_a_trial_of_memory_runs_every_update_once_and_leaves_no_trace(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    before = weights_digest(trainer.task.model)
    trainer._attempt([0, 1])
    assert trainer.task.encoded == [STEPS] and len(trainer.task.drawn) == 1
    assert weights_digest(trainer.task.model) == before and all(p.grad is None for p in trainer.task.model.parameters())
    weights = sum(p.numel() for p in trainer.task.model.parameters())
    assert trainer.steps.bytes_to_come() == 2 * 8 * weights
    assert trainer.fit() and trainer.steps.bytes_to_come() == 0


class CodedTask(InnerTask):
    """Its shared pass goes through a quantizer."""

    def __init__(self, config: InnerConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        self.model.quantizer = QuantizerSlot(options={"codebook_size": 8, "code_dim": 2}).build(3)

    def shared(self, batch: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, code = super().shared(batch, step)
        mask = torch.ones(1, len(code), dtype=torch.bool)
        return inputs, self.model.quantizer(code[None], mask).quantized[0].to(code.dtype)

    def optimizer_parameters(self, optimizer: str) -> list[torch.nn.Parameter]:
        more = list(self.model.quantizer.parameters()) if optimizer == "model" else []
        return [*super().optimizer_parameters(optimizer), *more]

    def after_step(self, step: int) -> None:
        self.model.quantizer.after_step(step)


@pytest.mark.parametrize("micro_frames", [0, 200])
def test_a_code_book_in_the_shared_pass_counts_a_frame_once_a_step(micro_frames: int, tmp_path: Path) -> None:
    trainer = make(tmp_path, CodedTask, micro_frames)
    assert trainer.fit()
    quantizer = trainer.task.model.quantizer
    assert isinstance(quantizer, Quantizer) and int(quantizer.epoch_counts.sum()) == 4 * STEPS


def test_a_step_that_is_skipped_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    trainer = make(tmp_path, CodedTask)
    plain = trainer.task.losses

    def broken_once(batch: object, step: int, optimizer: str) -> dict[str, Term]:
        terms = plain(batch, step, optimizer)
        bad = step == 3 and optimizer == "model"
        return {n: Term(t.total * float("nan"), t.count) for n, t in terms.items()} if bad else terms

    trainer.task.losses = broken_once  # type: ignore[method-assign]
    assert trainer.fit()
    assert int(trainer.task.model.quantizer.epoch_counts.sum()) == 4 * (STEPS - 1)
    assert (tmp_path / "bad_batches" / "step3_model_rank0.pt").exists()


@pytest.mark.parametrize(
    ("names", "found"), [(("model", "estimator", "model"), "names model more than once"), ((), "names none")]
)
def test_names_of_optimizers_must_be_there_and_not_repeat(
    names: tuple[str, ...], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InnerTask, "optimizers", names)
    with pytest.raises(ConfigError, match=f"`optimizers` of the task inner {found}"):
        make(tmp_path)


def test_updates_must_be_of_known_optimizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InnerTask, "updates", lambda self, step: ("estimater", "model"))
    with pytest.raises(
        ConfigError, match="step 1 of the task inner updates estimater; expected its optimizers: estimator, model"
    ):
        make(tmp_path).fit()


def test_terms_of_two_optimizers_must_not_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InnerTask, "weights", lambda self, step, optimizer: {"fit": 1.0})
    with pytest.raises(ConfigError, match="the optimizers estimator and model of the task inner both have a term fit"):
        make(tmp_path).fit()


def test_an_optimizer_without_parameters_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InnerTask, "optimizer_parameters", lambda self, optimizer: [])
    with pytest.raises(ConfigError, match="gives its optimizer estimator, model no parameters"):
        make(tmp_path)


def test_scales_of_learning_rates_name_parts_of_any_optimizer_with_these_settings(tmp_path: Path) -> None:
    class SameSettings(InnerTask):
        """Both optimizers take `optim`."""

        def optim(self, optimizer: str) -> OptimConfig:
            return self.config.optim

    scales = {"estimator": 3.0, "head": 0.5}
    trainer = make(tmp_path / "same", SameSettings, optim={"lr_scale": scales})
    found = {n: {g["lr_scale"] for g in o.param_groups} for n, o in trainer.steps.optimizers.items()}
    assert found == {"estimator": {3.0}, "model": {1.0, 0.5}}
    with pytest.raises(ConfigError, match=r"optim\.lr_scale names hed; expected parts of the model: encoder, estimator, head"):
        make(tmp_path / "misspelt", SameSettings, optim={"lr_scale": {"hed": 0.5}})
    with pytest.raises(ConfigError, match=r"optim\.lr_scale names estimator; expected parts of the model: encoder, head"):
        make(tmp_path / "own", optim={"lr_scale": {"estimator": 3.0}})  # which has settings of its own


def test_a_checkpoint_of_other_optimizers_is_refused(tmp_path: Path) -> None:
    assert make(tmp_path).fit()
    path = tmp_path / "checkpoints" / "last.pt"
    state = load_checkpoint(path)
    del state["optimizers"]["estimator"]
    save_checkpoint(path, state)
    with pytest.raises(
        CheckpointError, match="the checkpoint has optimizers model; expected those of the task: estimator, model"
    ):
        make(tmp_path)


def test_a_name_that_init_has_twice_is_refused(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    train.configure(parser, "vc")
    words = ["--task", "vc", "--exp", str(tmp_path), "--init", "pretrained=a", "--init", "pretrained=b"]
    with pytest.raises(ConfigError, match="--init names pretrained twice: a and b"):
        train.run(parser.parse_args(words))
