"""The training loop: steps, validation, records, checkpoints, exact resume. docs/loop.md shows it on one page.

Every random draw is keyed by (seed, step), never by what happened before: a run that was killed and started again ends with the
weights of one that was not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from ctaplib.checkpoint import load_weights
from ctaplib.config import save_config
from ctaplib.config_file import read_saved
from ctaplib.errors import TrainingError
from ctaplib.files import remove_partials
from ctaplib.runs.log import LiveLine, RunLog, add_log_file, get_logger
from ctaplib.tasks.base import Task, save_assets
from ctaplib.train.batches import Position, batches, check_batches
from ctaplib.train.best import Best
from ctaplib.train.checkpoints import Checkpoints, check_agreement, check_items, check_settings, write_items
from ctaplib.train.distributed import World, lost_peer
from ctaplib.train.memory import find_micro_frames, largest_local_batch, padded_frames
from ctaplib.train.meter import EpochTally, Meter, total_stats
from ctaplib.train.precision import as_double, autocast, choose_precision, prepare_device
from ctaplib.train.previews import Previewer
from ctaplib.train.signals import StopRequest
from ctaplib.train.steps import Steps, on_device
from ctaplib.train.validation import measure, try_largest

log = get_logger("ctaplib.train")


class Trainer:
    """Trains a task.

    Args:
        commit: Version of the code, kept with the run.
        micro_frames: Most padded feature frames of one forward pass; a larger local batch is cut into micro-batches. 0 for no
            limit, None to find how much fits. Changes the result by rounding only.
    """

    def __init__(self, task: Task, world: World, commit: str = "", micro_frames: int | None = 0) -> None:
        self.task, self.world, self.config = task, world, task.config
        folder, train = task.paths.exp / "checkpoints", self.config.train
        self.checkpoints, self.position = Checkpoints(folder), Position()
        self.precision = choose_precision(train.precision, world.device)
        task.model.to(world.device, torch.float64 if self.precision == "fp64" else None)
        self.steps, self.best = Steps(task, world, self.precision), Best(folder, train.keep_best)
        self.micro_frames, self.kept_frames, self.valid_frames = micro_frames, None, 0
        self.layout = [world.size, world.device.type] if micro_frames is None else []
        self.stop = StopRequest(world)
        items = task.paths.exp / "items.tsv"
        if resumed := self._resume():
            check_items(task, items)
        check_agreement(task, self.position.step, world)
        check_batches(task, self.position, world)
        self.record: RunLog | None = None
        if world.is_main:
            # The record comes first, as it holds the lock: a start that is refused must not change the files of the run.
            self.record = RunLog(task.paths.exp, self.position.step, task.name, train.max_steps)
            with self.record.recording_errors():
                remove_partials(folder)
                if not resumed:
                    write_items(task, items)
                save_assets(task)
                save_config(self.config, task.paths.exp / "config.yaml", task=task.name, commit=commit)
            add_log_file(task.paths.exp / "train.log")
            self.previewer = Previewer(task, self.record, self._load)
        self.tally = EpochTally(self.position.tally, world.is_main)

    def fit(self) -> bool:
        """Train to the last step, or until asked to stop; the newest state is saved either way.

        Returns:
            Whether the last step was reached.
        """
        with self.record or nullcontext(), self.stop:
            try:
                return self._fit()
            except RuntimeError as error:
                raise lost_peer(error, self.world.rank) or error from error

    def _fit(self) -> bool:
        task, train, position = self.task, self.config.train, self.position
        self._prepare()
        if position.due:
            self._do_due()
            self._save()
        meter, live = Meter(), LiveLine(train.max_steps, position.step, enabled=self.world.is_main)
        self.tally.skip()
        for local, micros, waited_s in batches(task, position, self.world, self._make, self.micro_frames or 0):
            position.step += 1
            stats = total_stats(task, micros)
            meter.add(self.steps.take(local, micros), waited_s, stats.audio_s * self.world.size if stats is not None else 0.0)
            self.tally.add(stats, waited_s)
            live.step()
            last = position.step == train.max_steps
            if position.step % train.log_every_steps == 0 or last:
                self._report(meter, live)
                meter = Meter()
            stop = self.stop.asked()
            if position.step % train.valid_every_steps == 0 or last:
                position.due = "validation"
            if position.epoch_ends or last:
                self._close_epoch()
            if not stop:
                self._do_due()
            if position.step % train.save_every_steps == 0 or last or stop:
                self._save()
            if stop:
                if self.world.is_main:
                    log.info("asked to stop: saved step %d; the same command goes on from there", position.step)
                break
            self.tally.skip()
        live.close()
        return position.step >= train.max_steps and not position.due

    def _prepare(self) -> None:
        """Set the device, let the task prepare, and try what takes most memory."""
        task, position = self.task, self.position
        to_do = position.step < self.config.train.max_steps
        if to_do and self.world.is_main:
            _announce(task, self.world, self.precision)
        prepare_device(self.config.train, task.model, self.world.device)
        task.before_training(position.step)
        if self.micro_frames is None and to_do:
            to_come = self.steps.bytes_to_come()
            self.micro_frames = find_micro_frames(task, self.world, self._attempt, to_come, self.kept_frames)
        # A validation takes no more at once than training does, also where its items are longer.
        self.valid_frames = self.micro_frames or padded_frames(task, largest_local_batch(task, self.world))
        if to_do:
            try_largest(task, self.world, self.precision, self._load, self.valid_frames)

    def _do_due(self) -> None:
        """Validate, and at the end try the mean of the best; a run that was stopped before does it when it goes on."""
        position, last = self.position, self.position.step == self.config.train.max_steps
        if position.due == "validation":
            self._validate()
            position.due = "mean" if last and len(self.best.seen) > 1 else ""
            if position.due:
                self._save()
        if position.due == "mean":
            self._try_mean()
            position.due = ""

    def _attempt(self, items: list[int]) -> None:
        self.steps.attempt(self._load("train", items, self.task.trial_step()))

    def _make(self, split: str, items: Sequence[int], step: int) -> Any:
        batch = self.task.load(split, items, step)
        return as_double(batch) if self.precision == "fp64" else batch

    def _load(self, split: str, items: Sequence[int], step: int) -> Any:
        return on_device(self._make(split, items, step), self.world.device)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the moving average of the weights, where there is one, into the model, in evaluation mode."""
        if self.steps.average is not None:
            self.steps.average.swap(self.task.model)
        self.task.model.eval()
        yield
        self.task.model.train()
        if self.steps.average is not None:
            self.steps.average.swap(self.task.model)

    def _measure(self, keeps: bool = True) -> dict[str, float]:
        """Return the metrics of the validation set; `keeps`: whether training continues with these weights."""
        values = measure(self.task, self.world, self.precision, self._load, self.valid_frames)
        if keeps or self.config.train.best not in values:
            values |= self.task.after_validation(self.position.step)
        if self.config.train.best not in values:
            raise TrainingError(f"train.best is {self.config.train.best!r}", expected=f"one of {', '.join(values)}")
        return values

    def _validate(self) -> None:
        step = self.position.step
        with self._averaged():
            values = self._measure()
            kept, improved = self.best.add(values[self.config.train.best], step)
            if self.record is not None:
                log.info("valid step %d: %s%s", step, _words(values), " (best so far)" if improved else "")
                self.record.scalars(step, values, "valid")
                for name, figure in self.task.figures().items():
                    self.record.figure(name, step, figure)
                self.previewer.preview(step, autocast(self.world.device, self.precision))
                self.best.write(step, self.task.model, kept, improved)

    def _try_mean(self) -> None:
        """Make the mean of the best checkpoints `best.pt` if it validates better than each of them."""
        self.world.barrier()
        model = self.task.model
        own = {n: t.detach().clone() for n, t in model.state_dict().items()}
        mean = self.best.mean(model)
        if mean is None:
            return
        load_weights(model, mean, "the mean of the best checkpoints")
        model.eval()
        value = self._measure(keeps=False)[self.config.train.best]
        better = value < self.best.value
        if self.world.is_main:
            log.info("mean of the weights at steps %s: %s %.4g, the best of them has %.4g; %s is kept as best.pt",
                     [step for _, step in self.best.seen], self.config.train.best, value, self.best.value,
                     "the mean" if better else "the latter")  # fmt: skip
            if better:
                self.best.write_mean(model)
        model.train()
        load_weights(model, own, "the run's own weights")

    def _close_epoch(self) -> None:
        figures = self.tally.close(self.world, self.position.epoch)
        if self.record is not None:
            log.info("end of %s", _words(figures))
            self.record.scalars(self.position.step, figures, "epoch")

    def _save(self) -> None:
        self.position.tally = self.tally.join(self.world)
        if not self.world.is_main:
            return
        self.checkpoints.write({
            "model": self.task.model.state_dict(),
            **self.steps.state_dict(),
            "position": vars(self.position),
            "best": [list(pair) for pair in self.best.seen],
            "processes": self.world.size,
            "micro_frames": self.micro_frames,
            "config": self.config.model_dump(mode="json"),
            "micro_layout": self.layout,
        })  # fmt: skip
        self.best.tidy()

    def _resume(self) -> bool:
        """Load the newest whole checkpoint; return whether there is one.

        Raises:
            CheckpointError: it was made with other settings, or cannot be used.
        """
        found = self.checkpoints.read()
        if found is None:
            return False
        state, path = found
        # Checkpoints of earlier versions have no config; the run's folder has it.
        before = state["config"] if "config" in state else read_saved(self.task.paths.exp / "config.yaml")
        check_settings(self.config, before, path)
        load_weights(self.task.model, state["model"], str(path))
        self.steps.load_state_dict(state)
        self.position = Position(**state["position"])
        self.best.seen = [(value, step) for value, step in state["best"]]
        if self.micro_frames is None and state.get("micro_layout") == self.layout:
            self.kept_frames = state["micro_frames"]
        if self.world.is_main:
            done = self.position.step >= self.config.train.max_steps
            what = f"all {self.position.step} steps are done" if done else f"going on from step {self.position.step}"
            if done:
                what += (
                    "; what is left is the validation behind the last" * bool(self.position.due)
                    or " before: nothing is left to do"
                )
            log.info("%s (%s)", what, path)
            if state["processes"] != self.world.size:
                log.warning(
                    "this run had %d process(es) and goes on with %d: batches, schedule and draws stay the same; sums are "
                    "rounded in another order, and dropout masks, where there is dropout, are others",
                    state["processes"], self.world.size,
                )  # fmt: skip
        return True

    def _report(self, meter: Meter, live: LiveLine) -> None:
        if self.record is None:
            return
        step, values = self.position.step, meter.values()
        self.record.scalars(step, values, "train")
        left_s = (self.config.train.max_steps - step) * meter.step_s
        log.info(
            "step %d of %d, epoch %d, %.0f s left: %s", step, self.config.train.max_steps, self.position.epoch, left_s,
            _words({n: v for n, v in values.items() if "/" not in n}), extra={"live": True},
        )  # fmt: skip
        live.show(values)


def _announce(task: Task, world: World, precision: str) -> None:
    size = sum(p.numel() for p in task.model.parameters()) / 1e6
    log.info(
        "training %s: %.2f M parameters, %d steps, %d process(es), %s, %s",
        task.name, size, task.config.train.max_steps, world.size, world.device, precision,
    )  # fmt: skip
    given = " and ".join(f"{name}={folder}" for name, folder in task.paths.init.items())
    first = f"first weights from {given}" if given else "first weights drawn at random"
    log.info("%s: %s; trained on %s, validated on %s", task.name, first, task.paths.train_set, task.paths.valid_set)


def _words(values: Mapping[str, float]) -> str:
    return " ".join(f"{n} {v:.4g}" for n, v in values.items())
