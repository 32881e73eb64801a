"""The trainer: exact resume, atomic checkpoints, guards, and losses that do not depend on the layout."""

import json
import os
import signal
import threading
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from small_configs import small_task
from toy_task import ToyTask

from ctaplib.checkpoint import load_checkpoint, save_checkpoint, weights_digest
from ctaplib.errors import CheckpointError, CtapError, DataError, TrainingError
from ctaplib.losses.terms import Term
from ctaplib.runs.listing import read_metrics
from ctaplib.runs.log import get_logger, keep_lines
from ctaplib.runs.state import read_state
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig, TrainConfig
from ctaplib.tensors import map_tensors
from ctaplib.train.accumulate import pairs_of, sum_pairs, values_of, weigh
from ctaplib.train.batches import LocalBatch, Position, batches, check_batches
from ctaplib.train.distributed import World
from ctaplib.train.guard import Guard
from ctaplib.train.optim import clip_gradients, learning_rate
from ctaplib.train.precision import load_scaler, make_scaler
from ctaplib.train.signals import StopRequest
from ctaplib.train.trainer import Trainer

ALONE = World(0, 1, torch.device("cpu"))


class Killed(Exception):
    """Stands for kill -9 at a step."""


def make(exp: Path, max_steps: int = 13, ema: float = 0.0, **train: object) -> Trainer:
    options = {"valid_every_steps": 5, "save_every_steps": 3, "log_every_steps": 2, "precision": "fp32", **train}
    config = TaskConfig(train=TrainConfig(max_steps=max_steps, **options), optim=OptimConfig(warmup_steps=2, ema_decay=ema))
    return Trainer(ToyTask(config, TaskPaths(exp, exp, exp, "train", "dev")), ALONE)


def train_killed_at(exp: Path, step: int, **options: object) -> None:
    trainer = make(exp, **options)
    plain = trainer.steps.take

    def dying(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        if local.step == step:
            raise Killed
        return plain(local, micros)

    trainer.steps.take = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        trainer.fit()


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("killed_at", [2, 5, 9, 13])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, killed_at: int, ema: float) -> None:
    whole = make(tmp_path / "whole", ema=ema)
    whole.fit()
    train_killed_at(tmp_path / "killed", killed_at, ema=ema)
    again = make(tmp_path / "killed", ema=ema)
    again.fit()
    assert weights_digest(again.task.model) == weights_digest(whole.task.model)
    best = [load_checkpoint(tmp_path / n / "checkpoints" / "best.pt") for n in ("whole", "killed")]
    assert best[0]["step"] == best[1]["step"]
    assert all(torch.equal(best[0]["model"][k], best[1]["model"][k]) for k in best[0]["model"])
    logs = [(tmp_path / n / "metrics.jsonl").read_text().splitlines() for n in ("whole", "killed")]
    steps = [[(json.loads(r)["step"], json.loads(r)["split"]) for r in log] for log in logs]
    assert steps[0] == steps[1]


def test_a_truncated_checkpoint_is_told_and_the_one_before_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = make(tmp_path / "whole")
    whole.fit()
    train_killed_at(tmp_path / "killed", 9)
    last = tmp_path / "killed" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:200])
    again = make(tmp_path / "killed")
    assert again.position.step == 3
    again.fit()
    assert weights_digest(again.task.model) == weights_digest(whole.task.model)


def test_both_checkpoints_broken_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    train_killed_at(tmp_path, 9)
    for name in ("last.pt", "previous.pt"):
        (tmp_path / "checkpoints" / name).write_bytes(b"PK")
    with pytest.raises(CheckpointError, match=r"previous\.pt \(2 bytes\) cannot be read as a checkpoint"):
        make(tmp_path)


def test_a_checkpoint_of_another_config_is_refused(tmp_path: Path) -> None:
    train_killed_at(tmp_path, 9)
    with pytest.raises(CheckpointError) as told:
        make(tmp_path, ema=0.5, max_steps=20, best="fit")
    assert "last.pt was made with other settings: optim.ema_decay was 0.0, is 0.5; train.max_steps was 13, is 20; " in str(
        told.value
    )
    assert "train.best was loss, is fit; to fix it: put them back, or give this run another --exp" in str(told.value)
    assert "a longer training is another run, as schedules go by the share of train.max_steps" in str(told.value)


def test_settings_that_change_no_number_may_change(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    whole.fit()
    train_killed_at(tmp_path / "killed", 9)
    again = make(tmp_path / "killed", save_every_steps=7, log_every_steps=5, loaders=3, max_bad_steps=9)
    assert again.position.step == 6 and again.fit()
    assert weights_digest(again.task.model) == weights_digest(whole.task.model)


@pytest.mark.parametrize("loaders", [2, 5])
def test_the_number_of_threads_that_load_changes_nothing(loaders: int, tmp_path: Path) -> None:
    runs = {number: make(tmp_path / str(number), loaders=number) for number in (1, loaders)}
    seen: dict[int, list[tuple[list[int], torch.Tensor]]] = {number: [] for number in runs}
    for number, trainer in runs.items():
        plain_load, plain = trainer.task.load, trainer.steps.take

        def load(split: str, items: list[int], step: int, plain=plain_load) -> torch.Tensor:
            if split == "train":
                time.sleep(0.01 * (step % 3))  # later ones may be ready before earlier ones
            return plain(split, items, step)

        def take(local: LocalBatch, micros: list[torch.Tensor], plain=plain, kept=seen[number]) -> dict[str, float]:
            kept.append((local.items, micros[0]))
            return plain(local, micros)

        trainer.task.load, trainer.steps.take = load, take  # type: ignore[method-assign]
        assert trainer.fit()
    assert [items for items, _ in seen[1]] == [items for items, _ in seen[loaders]]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(seen[1], seen[loaders], strict=True))
    assert weights_digest(runs[1].task.model) == weights_digest(runs[loaders].task.model)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_for_a_gpu_are_made_in_pinned_memory(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned, threads = list[torch.Tensor](), list[object]()
    monkeypatch.setattr(torch.cuda, "set_device", lambda wanted: threads.append((wanted, threading.current_thread())))

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        assert threading.current_thread() is not threading.main_thread()
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    trainer, world = make(tmp_path), World(0, 1, torch.device(device, 0) if device == "cuda" else torch.device(device))
    found = [micro for _, micros, _ in batches(trainer.task, Position(), world, trainer.task.load, 200) for micro in micros]
    assert len(found) == 26
    if device == "cpu":
        assert not pinned and not threads
    else:
        assert all(any(micro is each for each in pinned) for micro in found) and len(pinned) == len(found)
        assert [wanted for wanted, _ in threads] == [world.device]  # type: ignore[misc]


def test_all_tensors_of_a_batch_are_pinned(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = small_task("vqctap", tiny, tmp_path).load("train", [0, 1], 1)
    marked = map_tensors(batch, lambda tensor: tensor + 1)
    assert batch.extra.keys() == marked.extra.keys() and all(
        torch.equal(marked.extra[n], batch.extra[n] + 1) for n in batch.extra
    )
    held = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "extra"}
    tensors = {name for name, value in held.items() if torch.is_tensor(value)}
    assert {"mel", "f0_hz", "mel_lengths", "prompt"} <= tensors
    for name, value in held.items():
        other = getattr(marked, name)
        assert torch.equal(other, value + 1) if name in tensors else other == value


def test_a_checkpoint_without_its_config_is_held_to_that_of_the_folder(tmp_path: Path) -> None:
    train_killed_at(tmp_path, 9)
    path = tmp_path / "checkpoints" / "last.pt"
    state = load_checkpoint(path)
    del state["config"]
    save_checkpoint(path, state)
    assert make(tmp_path).position.step == 6
    with pytest.raises(CheckpointError, match=r"made with other settings: train\.keep_best was 1, is 2"):
        make(tmp_path, keep_best=2)


def test_a_foreign_file_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="is not a checkpoint of ctaplib"):
        load_checkpoint(tmp_path / "a.pt")
    save_checkpoint(tmp_path / "b.pt", {"x": torch.ones(2)})
    assert torch.equal(load_checkpoint(tmp_path / "b.pt")["x"], torch.ones(2))


def test_sigterm_saves_and_ends(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    plain = trainer.steps.take

    def asked(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        if local.step == 4:
            trainer.stop.ask()
        return plain(local, micros)

    trainer.steps.take = asked  # type: ignore[method-assign]
    assert trainer.fit() is False
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pt")["position"]["step"] == 4
    assert make(tmp_path).fit() is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_the_step_and_ends(tmp_path: Path, number: signal.Signals) -> None:
    before = [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)]
    keyboard = signal.signal(signal.SIGINT, signal.default_int_handler)
    trainer = make(tmp_path)
    plain = trainer.steps.take

    def struck(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        if local.step == 4:
            os.kill(os.getpid(), number)
        return plain(local, micros)

    trainer.steps.take = struck  # type: ignore[method-assign]
    assert trainer.fit() is False
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pt")["position"]["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler and read_state(tmp_path).state == "stopped"
    for n, handler in zip((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), (*before, keyboard)):
        signal.signal(n, handler)


def test_a_second_interrupt_ends_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keyboard = signal.signal(signal.SIGINT, signal.default_int_handler)
    trainer = make(tmp_path)
    plain = trainer.steps.take

    def struck(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        if local.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return plain(local, micros)

    trainer.steps.take = struck  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    signal.signal(signal.SIGINT, keyboard)
    assert "Ctrl-C again ends at once" in capfd.readouterr().err
    assert read_state(tmp_path).note == "ended at once by the keyboard; the same command resumes from the last checkpoint"
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pt")["position"]["step"] < 4


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest(World(0, 1, torch.device("cpu"))) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.asked()
    signal.signal(signal.SIGHUP, before)


def test_the_log_has_the_lines_before_it_and_the_error(tmp_path: Path) -> None:
    keep_lines()
    get_logger("ctaplib.train").warning("before there was a file")
    trainer = make(tmp_path)

    def fails(local: LocalBatch, micros: list[torch.Tensor]) -> dict[str, float]:
        raise TrainingError("no such step", fix="none")

    trainer.steps.take = fails  # type: ignore[method-assign]
    with pytest.raises(TrainingError):
        trainer.fit()
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert lines[0].endswith("WARNING before there was a file")
    assert lines[-1].endswith("ERROR no such step; to fix it: none")


def test_gradients_that_are_not_finite_stop_the_run(tmp_path: Path) -> None:
    trainer = make(tmp_path, max_bad_steps=3)
    before = weights_digest(trainer.task.model)

    def broken(batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        bad = trainer.task.model(batch).sum() * float("nan")
        return {"fit": Term(bad, 1.0), "size": Term(bad, 1.0)}

    trainer.task.losses = broken  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="3 steps in a row up to step 3"):
        trainer.fit()
    assert weights_digest(trainer.task.model) == before


def test_every_item_is_seen_once_an_epoch(tmp_path: Path) -> None:
    trainer = make(tmp_path, max_steps=10)
    trainer.fit()
    seen = [i for batch in trainer.task.seen if len(batch) == 4 for i in batch]  # type: ignore[attr-defined]
    trained = [b for b in trainer.task.seen if b not in trainer.task.valid_plan()]  # type: ignore[attr-defined]
    assert len(seen) >= 40 and sorted(i for b in trained[:5] for i in b) == list(range(20))


def test_the_loss_is_the_sum_of_weighted_means() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    terms = {"a": Term(x * 6, 3.0), "b": Term(x * x, torch.tensor(2)), "off": Term(x.new_zeros(()), 0.0)}
    weights = {"a": 1.0, "b": 0.5, "off": 0.0}
    pairs = sum_pairs([pairs_of(terms)], ALONE)
    loss, values = weigh(terms, weights, pairs), values_of(pairs, weights)
    loss.backward()
    assert loss.item() == pytest.approx(4 + 0.5 * 2) and x.grad == pytest.approx(2 + 0.5 * 2)
    assert values == pytest.approx({"a": 4.0, "b": 2.0, "off": 0.0, "loss": 5.0})


def test_terms_and_weights_must_have_the_same_names() -> None:
    with pytest.raises(CtapError, match=r"terms \['a'\] and weights \['b'\] differ"):
        weigh({"a": Term(torch.ones(()), 1.0)}, {"b": 1.0}, {})


def test_the_learning_rate_rises_falls_and_ends() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=10, final_lr=0.1)
    rates = [learning_rate(config, s, 100) for s in range(1, 101)]
    assert rates[9] == 1.0 and rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)


def test_a_checkpoint_that_was_edited_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"weight": torch.ones(3), "step": 4})
    state = torch.load(path, weights_only=True)
    state["weight"][1] = 7.0
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"a\.pt was changed after it was written: its content does not match its digest"):
        load_checkpoint(path)


def test_writing_a_checkpoint_takes_no_second_copy_of_it(tmp_path: Path) -> None:
    def kilobytes(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    state = {"weight": torch.ones(50_000_000)}
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    save_checkpoint(tmp_path / "a.pt", state)
    assert kilobytes("VmHWM") - before < 60_000  # of 200,000


class ShrinkingTask(ToyTask):
    """Has a list of its items."""

    held = {"train": {"a": 100, "b": 200, "c": 300}}

    def items(self) -> dict[str, dict[str, int]]:
        return self.held


@pytest.mark.parametrize(("limit", "told"), [(0, False), (99, True), (100, False)])
def test_items_longer_than_a_pass_are_told_once(limit: int, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = ToyTask(TaskConfig(train=TrainConfig(max_steps=7)), TaskPaths(tmp_path, tmp_path, tmp_path, "a", "b"))
    list(batches(task, Position(), World(0, 1, torch.device("cpu")), task.load, limit))
    limit_of = "a micro-batch may have 99 frames of 10 ms (--batch_bins)"
    wanted = f"{limit_of}; 20 items are longer, up to 100, and each is a micro-batch of its own"
    assert [m for m in caplog.messages if "longer" in m] == [wanted] * told


def test_the_log_says_what_a_run_begins_from_and_its_sets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tmp_path)
    trainer.fit()
    sets = f"trained on {trainer.task.paths.train_set}, validated on {trainer.task.paths.valid_set}"
    assert f"toy: first weights drawn at random; {sets}" in caplog.messages
    monkeypatch.setattr(ToyTask, "inits", ("other",))
    config = TaskConfig(train=TrainConfig(max_steps=2))
    paths = TaskPaths(tmp_path, tmp_path, tmp_path / "b", "train", "dev", init={"other": Path("exp/other")})
    Trainer(ToyTask(config, paths), World(0, 1, torch.device("cpu"))).fit()
    assert "toy: first weights from other=exp/other; trained on train, validated on dev" in caplog.messages


def test_a_run_that_is_finished_says_that_nothing_is_left_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert make(tmp_path).fit()
    records = (tmp_path / "metrics.jsonl").read_text()
    caplog.clear()
    assert make(tmp_path).fit()
    told = caplog.text
    assert "all 13 steps are done before: nothing is left to do" in told and "going on from" not in told
    assert (tmp_path / "metrics.jsonl").read_text() == records


def test_data_that_changed_between_two_starts_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_trainer.ToyTask", ShrinkingTask)
    train_killed_at(tmp_path, 9)
    monkeypatch.setattr(ShrinkingTask, "held", {"train": {"a": 100, "c": 301, "d": 5}})
    with pytest.raises(DataError, match="the data changed since this run began: 3 items then, 3 now, 3 differences") as told:
        make(tmp_path)
    assert {"gone: train b", "new: train d", "train c: 300 frames before, 301 now"} <= set(told.value.faults)
    monkeypatch.setattr(ShrinkingTask, "held", {"train": {"a": 100, "b": 200, "c": 301}})
    with pytest.raises(DataError, match=r"3 items then, 3 now, 1 difference;"):
        make(tmp_path)
    monkeypatch.setattr(ShrinkingTask, "held", {"train": {"a": 100, "b": 200, "c": 300}})
    assert make(tmp_path).fit()


def test_one_bad_batch_is_left_out_and_kept(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    plain = trainer.task.losses

    def broken_once(batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        terms = plain(batch, step, optimizer)
        return {n: Term(t.total * float("nan"), t.count) for n, t in terms.items()} if step == 5 else terms

    trainer.task.losses = broken_once  # type: ignore[method-assign]
    assert trainer.fit()
    kept = load_checkpoint(tmp_path / "bad_batches" / "step5_model_rank0.pt")
    assert kept["reason"] == "its gradient is not finite" and kept["batches"][0].shape == (4, 4)
    assert all(bool(p.isfinite().all()) for p in trainer.task.model.parameters())
    assert json.loads((tmp_path / "bad_batches" / "step5_model_rank0.json").read_text())["terms"]["fit"] == "nan"
    assert kept["where"] == "process 0 of 1: fit, size not finite"


def test_a_spike_is_left_out_and_a_new_level_is_not(tmp_path: Path) -> None:
    guard = Guard(TrainConfig(spike_factor=10.0), tmp_path, 0)
    assert not any(guard.fault("model", 1.0 + 0.01 * (i % 7)) for i in range(60))
    assert guard.fault("model", 10.9).startswith("its gradient norm 10.9 is 11 times the median")
    faults = [bool(guard.fault("model", 30.0)) for _ in range(120)]
    assert faults[0] and not faults[-1]
    other = Guard(TrainConfig(spike_factor=10.0), tmp_path, 0)
    other.load_state_dict(guard.state_dict())
    assert other.state_dict() == guard.state_dict()


def test_the_mean_of_the_best_is_taken_only_if_it_is_better(tmp_path: Path) -> None:
    trainer = make(tmp_path, max_steps=20, valid_every_steps=4, keep_best=3)
    trainer.fit()
    folder = tmp_path / "checkpoints"
    steps = [step for _, step in trainer.best.seen]
    assert sorted(folder.glob("best_*.pt")) == sorted(folder / f"best_{s}.pt" for s in steps) and len(steps) == 3
    best, states = load_checkpoint(folder / "best.pt"), [load_checkpoint(folder / f"best_{s}.pt")["model"] for s in steps]
    mean = {n: torch.stack([s[n] for s in states]).mean(0) for n in states[0]}
    own = mean if "mean_of_steps" in best else states[0]  # the next test makes either happen
    assert all(torch.allclose(best["model"][n], own[n]) for n in own)
    killed = tmp_path / "killed"
    train_killed_at(killed, 20, max_steps=20, valid_every_steps=4, keep_best=3)
    again = make(killed, max_steps=20, valid_every_steps=4, keep_best=3)
    again.fit()
    assert load_checkpoint(killed / "checkpoints" / "best.pt").keys() == best.keys()
    assert weights_digest(again.task.model) == weights_digest(trainer.task.model)


@pytest.mark.parametrize(("value", "is_mean"), [(0.0, True), (1e9, False)])
def test_the_mean_is_kept_where_it_validates_better_and_only_there(tmp_path: Path, value: float, is_mean: bool) -> None:
    trainer = make(tmp_path, max_steps=20, valid_every_steps=4, keep_best=3)
    plain = trainer._measure
    trainer._measure = lambda keeps=True: plain(keeps) if keeps else {"loss": value}  # type: ignore[method-assign]
    assert trainer.fit()
    assert ("mean_of_steps" in load_checkpoint(tmp_path / "checkpoints" / "best.pt")) == is_mean


@pytest.mark.parametrize("kept", [0, 2])
def test_best_checkpoints_that_are_gone_do_not_stop_the_end(tmp_path: Path, kept: int, caplog) -> None:
    train_killed_at(tmp_path, 20, max_steps=20, valid_every_steps=4, keep_best=3)
    for path in sorted((tmp_path / "checkpoints").glob("best_*.pt"))[kept:]:
        path.unlink()
    again = make(tmp_path, max_steps=20, valid_every_steps=4, keep_best=3)
    assert again.fit() and ("are gone, and have no part" in caplog.text or kept)
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pt")["position"]["due"] == ""


def test_a_batch_of_some_later_epoch_that_is_too_small_is_told_before_the_first_step(tmp_path: Path) -> None:
    four, batches = World(0, 4, torch.device("cpu")), {}
    for steps in (13, 15):  # of five an epoch
        task = make(tmp_path / str(steps), max_steps=steps).task
        plain = task.train_plan
        task.train_plan = lambda epoch, plain=plain: [*plain(epoch)[:-1], [3, 5]] if epoch == 2 else plain(epoch)
        batches[steps] = task
    check_batches(batches[13], Position(), four)
    with pytest.raises(TrainingError, match=r"of epoch 2 has 2 items, for 4 processes; .*begin with batch\.min_items=4"):
        check_batches(batches[15], Position(), four)


def test_micro_batches_give_the_step_of_the_whole(tmp_path: Path) -> None:
    whole, parts = make(tmp_path / "whole", precision="fp64"), make(tmp_path / "parts", precision="fp64")
    parts.micro_frames = 200
    assert whole.fit() and parts.fit()
    for one, other in zip(whole.task.model.parameters(), parts.task.model.parameters()):
        assert one.dtype == torch.float64
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("start", [4.0, 1.0])
def test_fp16_scales_the_loss_and_mends_overflow(start: float, tmp_path: Path) -> None:
    trainer = make(tmp_path, precision="fp16", max_steps=6, max_bad_steps=2)
    trainer.steps.scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=2)
    plain = trainer.task.losses

    def overflowing(batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        terms = plain(batch, step, optimizer)
        return {n: Term(t.total * 1e38, t.count) for n, t in terms.items()} if step in (2, 3) else terms

    trainer.task.losses = overflowing  # type: ignore[method-assign]
    if start == 1.0:  # no smaller scale helps: it is the fault of the batches
        with pytest.raises(TrainingError, match="2 steps in a row up to step 3"):
            trainer.fit()
        return
    assert trainer.fit() and not (tmp_path / "bad_batches").exists()
    scales = [record["loss_scale"] for record in read_metrics(tmp_path) if record["split"] == "train"]
    assert scales == [3.0, 1.0, 2.0]  # means of two steps: 4 and 2, 1 and 1, 2 (after two good steps) and 2
    assert all(bool(p.isfinite().all()) for p in trainer.task.model.parameters())


def test_the_loss_scale_of_earlier_checkpoints_is_taken_over() -> None:
    scaler = make_scaler("fp16", torch.device("cpu"))
    load_scaler(scaler, {"value": 512.0, "good": 7})
    assert scaler.get_scale() == 512.0 and scaler.state_dict()["_growth_tracker"] == 7
    off = make_scaler("bf16", torch.device("cpu"))
    load_scaler(off, {"value": 1.0, "good": 0})
    assert off.get_scale() == 1.0 and off.state_dict() == {}


def test_compiled_parts_give_the_same_numbers(tmp_path: Path) -> None:
    plain, compiled = make(tmp_path / "plain"), make(tmp_path / "compiled", compile="aot_eager")
    assert plain.fit() and compiled.fit()
    for one, other in zip(plain.task.model.parameters(), compiled.task.model.parameters()):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("most", [0.5, 1e3])
def test_clipping_is_that_of_torch(most: float) -> None:
    ours, theirs = ([torch.nn.Parameter(torch.zeros(n)) for n in (3, 40, 7)] for _ in range(2))
    for i, (one, other) in enumerate(zip(ours, theirs)):
        one.grad = torch.randn(len(one), generator=torch.Generator().manual_seed(i))
        other.grad = one.grad.clone()
    assert clip_gradients(ours, most) == float(torch.nn.utils.clip_grad_norm_(theirs, most, foreach=True))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours, theirs))
