"""How much fits into memory: trials that fail, what a run goes on with, and trials that leave no trace."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_configs import small_task
from toy_task import ToyTask

from ctaplib.checkpoint import load_checkpoint, save_checkpoint, weights_digest
from ctaplib.errors import DataError, TrainingError
from ctaplib.losses.terms import Term
from ctaplib.runs.state import read_state
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig, TrainConfig
from ctaplib.train import memory
from ctaplib.train.batches import LocalBatch
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer
from ctaplib.train.validation import measure, try_largest

ALONE = World(0, 1, torch.device("cpu"))
OUT = {
    "gpu": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    "cpu": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes."),
    "numpy": lambda: MemoryError("Unable to allocate 20 GiB"),
    "oneDNN": lambda: RuntimeError("could not create a primitive"),
}


def test_what_onednn_does_not_know_is_no_lack_of_memory() -> None:
    assert all(memory.ran_out(make()) for make in OUT.values())
    assert not memory.ran_out(RuntimeError("could not create a primitive descriptor for an inner product"))


class SmallMachine:
    """Takes the place of the measured memory: every item takes 1 GB; a pass with more than `fits` items runs out."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, fits: int, free_gb: float = 1000.0, error: Callable[[], Exception] = OUT["gpu"]
    ) -> None:
        self.fits, self.free, self.error, self.tried = fits, free_gb * 1e9, error, list[int]()
        monkeypatch.setattr(memory, "_free_bytes", lambda world: self.free)
        monkeypatch.setattr(memory, "_peak_bytes", self.peak)

    def peak(self, world: World, work: Callable[[], None]) -> float:
        self.tried.append(0)
        work()
        return 1e9 * self.tried[-1]

    def attempt(self, items: list[int]) -> None:
        self.tried[-1] = len(items)
        if len(items) > self.fits:
            raise self.error()


def toy(exp: Path, **train: object) -> ToyTask:
    options = {"valid_every_steps": 5, "save_every_steps": 1, "precision": "fp32", **train}
    config = TaskConfig(train=TrainConfig(max_steps=6, **options), optim=OptimConfig(warmup_steps=2))
    return ToyTask(config, TaskPaths(exp, exp, exp, "train", "dev"))


def make(exp: Path, micro_frames: int | None = None, **train: object) -> Trainer:
    return Trainer(toy(exp, **train), ALONE, micro_frames=micro_frames)


@pytest.mark.parametrize("kind", OUT)
@pytest.mark.parametrize(
    ("fits", "tried", "frames"), [(4, [1, 4], 0), (3, [1, 4, 2], 200), (2, [1, 4, 2], 200), (1, [1, 4, 2], 100)]
)
def test_a_trial_that_does_not_fit_is_repeated_with_less(
    kind: str, fits: int, tried: list[int], frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, task = SmallMachine(monkeypatch, fits, error=OUT[kind]), toy(tmp_path)
    assert memory.find_micro_frames(task, ALONE, machine.attempt) == frames
    assert machine.tried == tried


def test_the_longest_item_that_does_not_fit_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, task = SmallMachine(monkeypatch, 0), toy(tmp_path)
    with pytest.raises(TrainingError, match=r"the longest item, 1\.0 s, does not fit .*CUDA out of memory.*lower batch\.max_s"):
        memory.find_micro_frames(task, ALONE, machine.attempt)


def test_another_error_in_a_trial_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, task = SmallMachine(monkeypatch, 0, error=lambda: RuntimeError("sizes do not match")), toy(tmp_path)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        memory.find_micro_frames(task, ALONE, machine.attempt)


def test_moments_yet_to_come_are_left_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, trainer = SmallMachine(monkeypatch, 4, free_gb=4.0 / memory.USE + 0.1), make(tmp_path)
    assert memory.find_micro_frames(trainer.task, ALONE, machine.attempt) == 0
    assert 200 <= memory.find_micro_frames(trainer.task, ALONE, machine.attempt, to_come=1.5e9) < 300
    weights = sum(p.numel() for p in trainer.task.model.parameters())
    assert trainer.steps.bytes_to_come() == 8 * weights
    trainer.micro_frames = 0
    trainer.fit()
    assert trainer.steps.bytes_to_come() == 0


def test_a_kept_answer_stays_unless_it_cannot_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, task = SmallMachine(monkeypatch, 4, free_gb=3.5), toy(tmp_path)
    assert 200 <= memory.find_micro_frames(task, ALONE, machine.attempt) < 300
    assert memory.find_micro_frames(task, ALONE, machine.attempt, kept=350) == 350  # within what is free, if not within the share
    assert 200 <= memory.find_micro_frames(task, ALONE, machine.attempt, kept=0) < 300
    assert memory.find_micro_frames(task, ALONE, machine.attempt, kept=100) == 100


def small_passes(trainer: Trainer, fits: int) -> list[int]:
    """Let passes of more than some items run out of memory; gives the sizes of the passes."""
    plain, sizes = trainer.task.losses, list[int]()

    def losses(batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        if trainer.task.model.training:  # the toy validates by it, too
            sizes.append(len(batch))
            if len(batch) > fits:
                raise OUT["cpu"]()
        return plain(batch, step, optimizer)

    trainer.task.losses = losses  # type: ignore[method-assign]
    return sizes


def test_a_run_finds_what_fits_and_its_result_is_that_of_the_whole(tmp_path: Path) -> None:
    whole, parts = make(tmp_path / "whole", 0, precision="fp64"), make(tmp_path / "parts", precision="fp64")
    sizes = small_passes(parts, 2)
    assert whole.fit() and parts.fit()
    assert sizes[:3] == [1, 4, 2] and max(sizes[3:]) == 2
    for one, other in zip(whole.task.model.parameters(), parts.task.model.parameters()):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)


def test_memory_that_runs_out_without_trials_says_what_to_do(tmp_path: Path) -> None:
    trainer = make(tmp_path, 0)
    small_passes(trainer, 2)
    with pytest.raises(TrainingError, match=r"memory ran out at step 1, with 4 items of up to 1\.0 s.*--batch_bins auto"):
        trainer.fit()


@pytest.mark.parametrize(
    ("layout", "frames", "expected"),
    [([1, "cpu"], 100, 100), ([1, "cpu"], 0, 0), ([2, "cpu"], 100, 0), ([1, "cuda"], 100, 0), ([], 100, 0)],
    ids=["kept", "kept whole", "other processes", "other device", "given by hand"],
)
def test_a_run_goes_on_with_its_answer_where_the_layout_is_the_same(
    layout: list[object], frames: int, expected: int, tmp_path: Path
) -> None:
    make(tmp_path, max_bad_steps=5).fit()
    path = tmp_path / "checkpoints" / "last.pt"
    state = load_checkpoint(tmp_path / "checkpoints" / "previous.pt")
    assert state["micro_layout"] == [1, "cpu"] and state["micro_frames"] == 0
    save_checkpoint(path, {**state, "micro_layout": layout, "micro_frames": frames})
    again = make(tmp_path, max_bad_steps=5)
    assert again.position.step == 5 and again.fit()
    assert again.micro_frames == expected


def test_a_run_that_is_over_makes_no_trial(tmp_path: Path) -> None:
    make(tmp_path).fit()
    again = make(tmp_path)
    assert small_passes(again, 0) == [] and again.fit()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", ["vqctap", "vocoder"])
def test_a_trial_leaves_no_trace(name: str, fails: bool, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(small_task(name, tiny, tmp_path), ALONE, micro_frames=None)
    task = trainer.task
    before = [t.clone() for t in (*task.model.parameters(), *task.model.buffers())]
    plain = task.losses

    def losses(batch: object, step: int, optimizer: str) -> dict[str, Term]:
        terms = plain(batch, step, optimizer)
        if fails:
            raise OUT["cpu"]()
        return terms

    monkeypatch.setattr(task, "losses", losses)
    assert bool(memory._try(ALONE, lambda: trainer._attempt([0, 1]))[1]) == fails
    assert all(torch.equal(a, b) for a, b in zip(before, (*task.model.parameters(), *task.model.buffers()), strict=True))
    assert all(p.grad is None for p in task.model.parameters())


@pytest.mark.parametrize("done", [3, 13])
def test_the_aligner_tries_with_the_labels_that_it_has(done: int, tiny: Path, tmp_path: Path) -> None:
    """At the start, and where a later pass is taken up."""
    whole = small_task("align", tiny, tmp_path / "whole")
    assert Trainer(whole, ALONE).fit()
    first = Trainer(small_task("align", tiny, tmp_path / "killed"), ALONE, micro_frames=None)
    plain = first.task.losses

    def dying(batch: object, step: int, optimizer: str) -> dict[str, Term]:
        if step == done and first.position.step == done:
            raise KeyboardInterrupt
        return plain(batch, step, optimizer)

    first.task.losses = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    again = Trainer(small_task("align", tiny, tmp_path / "killed"), ALONE, micro_frames=None)
    assert 0 < again.position.step < done and again.fit()
    assert weights_digest(again.task.model) == weights_digest(whole.model)


@pytest.mark.parametrize("name", ["vqctap", "asr", "vc", "tts", "vocoder"])
def test_metrics_do_not_depend_on_the_size_of_a_pass(name: str, tiny: Path, tmp_path: Path) -> None:
    init = {}
    if name in ("vc", "tts"):
        fitted = Trainer(small_task("vqctap", tiny, tmp_path / "vqctap", "train.max_steps=1", "train.valid_every_steps=1"), ALONE)
        assert fitted.fit()
        init = {"pretrained": tmp_path / "vqctap"}
    task = Trainer(small_task(name, tiny, tmp_path / name, "train.precision=fp64", **init), ALONE)
    task.task.before_training(0)
    task.task.model.eval()
    loaded: list[int] = []

    def load(split: str, items: Sequence[int], step: int) -> object:
        loaded.append(len(items))
        return task._load(split, items, step)

    plan = task.task.valid_plan()
    whole = measure(task.task, ALONE, "fp64", load)
    assert loaded == [len(items) for items in plan] and max(loaded) > 1
    longest = max(max(task.task.valid_frames(items)) for items in plan)
    for frames in (1, 2 * longest):
        loaded.clear()
        parts = measure(task.task, ALONE, "fp64", load, frames)
        assert sum(loaded) == sum(map(len, plan)) and len(loaded) > len(plan)
        assert parts == pytest.approx(whole, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("fits", "fix"), [(2, "go on with --batch_bins and fewer frames"), (0, "take utterances of that length out")]
)
def test_memory_that_runs_out_in_a_validation_says_what_to_do(fits: int, fix: str, tmp_path: Path) -> None:
    task = toy(tmp_path)

    def evaluate(batch: torch.Tensor) -> dict[str, Term]:
        raise OUT["gpu"]()

    task.evaluate = evaluate  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=f"memory ran out in the validation, with {fits or 1} item.*{fix}"):
        measure(task, ALONE, "fp32", task.load, 100 * fits or 1)


def test_a_validation_takes_no_more_at_once_than_training(tmp_path: Path) -> None:
    trainer = make(tmp_path, 200)
    sizes, plain = list[int](), trainer.task.evaluate

    def evaluate(batch: torch.Tensor) -> dict[str, Term]:
        sizes.append(len(batch))
        return plain(batch)

    trainer.task.evaluate = evaluate  # type: ignore[method-assign]
    assert trainer.fit() and sizes == [2] + [2, 2, 2, 1] * 2  # the trial comes first


LONG = (600, 300, 3000, 300, 300, 300, 300)
"""Frames of the validation items; the training items have 100."""


def with_long_validation(
    trainer: Trainer, fits: int, error: Callable[[], Exception], lengths: Sequence[int] = LONG
) -> list[list[int]]:
    """Let evaluations of more padded frames than `fits` run out of memory; gives the items of each."""
    task, loaded, tried = trainer.task, list[list[int]](), list[list[int]]()
    plain_load, plain = task.load, task.evaluate
    task.valid_frames = lambda items: [lengths[i] for i in items]  # type: ignore[method-assign]

    def load(split: str, items: Sequence[int], step: int) -> torch.Tensor:
        if split == "valid":
            loaded.append(list(items))
        return plain_load(split, items, step)

    def evaluate(batch: torch.Tensor) -> dict[str, Term]:
        tried.append(loaded[-1])
        if max(lengths[i] for i in tried[-1]) * len(tried[-1]) > fits:
            raise error()
        return plain(batch)

    task.load, task.evaluate = load, evaluate  # type: ignore[method-assign]
    return tried


@pytest.mark.parametrize("micro_frames", [None, 0, 200])
@pytest.mark.parametrize("kind", OUT)
def test_a_validation_item_that_does_not_fit_ends_the_run_before_the_first_step(
    kind: str, micro_frames: int | None, tmp_path: Path
) -> None:
    trainer = make(tmp_path, micro_frames)
    with_long_validation(trainer, 2999, OUT[kind])
    told = r"memory ran out in a trial of the validation, before the first step, with 1 item of up to 30\.0 s on this process \("
    with pytest.raises(TrainingError, match=told + ".*take utterances of that length out of the validation set"):
        trainer.fit()
    assert trainer.position.step == 0 and not (tmp_path / "checkpoints" / "last.pt").exists()


def test_another_error_in_a_trial_of_the_validation_stays_what_it_is(tmp_path: Path) -> None:
    trainer = make(tmp_path, 0)
    with_long_validation(trainer, 0, lambda: RuntimeError("sizes do not match"))
    with pytest.raises(RuntimeError, match="sizes do not match"):
        trainer.fit()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=7, max_size=7), st.integers(0, 12).map(lambda n: 100 * n))
def test_no_pass_of_a_validation_is_larger_than_those_tried(lengths: list[int], micro_frames: int) -> None:
    with TemporaryDirectory() as folder:
        trainer = make(Path(folder), micro_frames)
        passes, first = with_long_validation(trainer, 10**9, OUT["cpu"], lengths), list[int]()
        plain = trainer.steps.take

        def take(local: LocalBatch, micros: Sequence[torch.Tensor]) -> dict[str, float]:
            first.append(len(passes))
            return plain(local, micros)

        trainer.steps.take = take  # type: ignore[method-assign]
        assert trainer.fit()
    frames = [max(lengths[i] for i in items) * len(items) for items in passes]
    longest = [max(lengths[i] for i in items) for items in passes]
    assert first[0] in (1, 2)
    assert max(frames[: first[0]]) == max(frames) and max(longest[: first[0]]) == max(longest)


@pytest.mark.parametrize("name", ["vqctap", "asr", "vocoder"])
def test_a_trial_of_the_validation_leaves_no_trace(name: str, tiny: Path, tmp_path: Path) -> None:
    trainer = Trainer(small_task(name, tiny, tmp_path, "train.precision=fp64"), ALONE)
    task = trainer.task
    task.before_training(0)
    before = {n: t.clone() for n, t in task.model.state_dict().items()}
    torch.manual_seed(7)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    try_largest(task, ALONE, "fp64", trainer._load)
    assert torch.equal(torch.rand(1), drawn) and task.model.training
    assert all(torch.equal(t, before[n]) for n, t in task.model.state_dict().items())
    if name == "vqctap":
        assert float(task.usage.use_over_ranks(torch.device("cpu")).counts.sum()) == 0


def test_memory_that_runs_out_while_loading_names_the_items(tmp_path: Path) -> None:
    trainer = make(tmp_path, 0)
    plain, third = trainer.task.load, trainer.task.train_plan(0)[2]

    def load(split: str, items: Sequence[int], step: int) -> torch.Tensor:
        if split == "train" and step == 3:
            raise OUT["numpy"]()
        return plain(split, items, step)

    trainer.task.load = load  # type: ignore[method-assign]
    names = ", ".join(f"item {i}" for i in third)
    told = rf"memory ran out while the batch of step 3 \({names}\) was loaded, with 4 items of up to 1\.0 s .*20 GiB"
    with pytest.raises(TrainingError, match=told + ".*; to fix it: lower"):
        trainer.fit()
    assert trainer.position.step == 2


def test_any_error_while_loading_names_the_items(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = make(tmp_path, 0)

    def load(split: str, items: Sequence[int], step: int) -> torch.Tensor:
        if split == "train":
            raise OSError(5, "Input/output error", "a.ark")
        return torch.zeros(len(items), 4)

    trainer.task.load = load  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"the batch of step 1 \(item .*\) could not be loaded: OSError\(5"):
        trainer.fit()
    stands = read_state(tmp_path)
    assert stands.state == "failed" and "the batch of step 1 (item" in stands.note


def test_a_clear_error_while_loading_stays_what_it_is(tmp_path: Path) -> None:
    trainer = make(tmp_path, 0)

    def load(split: str, items: Sequence[int], step: int) -> torch.Tensor:
        if split == "train":
            raise DataError("a.ark ends inside utt1")
        return torch.zeros(len(items), 4)

    trainer.task.load = load  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"^a\.ark ends inside utt1$"):
        trainer.fit()
