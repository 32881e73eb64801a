"""The training loop: steps, gradients over processes, validation, checkpoints, exact resume.

Every random draw is keyed by (seed, step), never by what happened before, so a run that was killed and
started again walks the same path as one that was not.
"""

import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from ctaplib.checkpoint import load_checkpoint, load_weights, save_checkpoint
from ctaplib.config import config_hash, save_config
from ctaplib.errors import CheckpointError, TrainingError
from ctaplib.runlog import LiveLine, RunLog, add_log_file, get_logger
from ctaplib.tasks.base import Task, save_assets
from ctaplib.train.batches import Position, batches
from ctaplib.train.distributed import World
from ctaplib.train.meter import EpochTally, Meter, total_extent
from ctaplib.train.optim import WeightAverage, build_optimizer, learning_rate
from ctaplib.train.precision import autocast, choose_precision
from ctaplib.train.total import join_terms
from ctaplib.train.watch import Watcher

log = get_logger("ctaplib.train")


class Trainer:
    """Trains one task.

    Args:
        task: What to train.
        world: The processes of this run.
        commit: Version of the code, kept with the run.
    """

    def __init__(self, task: Task, world: World, commit: str = "") -> None:
        self.task, self.world, self.config = task, world, task.config
        self.checkpoints = Path(task.paths.exp) / "checkpoints"
        self.position = Position()
        self.precision = choose_precision(self.config.train.precision, world.device)
        task.model.to(world.device)
        names = {parameter: name for name, parameter in task.model.named_parameters()}
        self.players = {
            player: build_optimizer({names[p]: p for p in task.player_parameters(player)}, self.config.optim)
            for player in task.players
        }
        decay = self.config.optim.ema_decay
        self.average = WeightAverage(task.model, decay) if decay > 0 else None
        self.stopping = False
        self._resume()
        self.record: RunLog | None = None
        if world.is_main:
            save_assets(task)
            save_config(self.config, task.paths.exp / "config.yaml", task=task.name, commit=commit)
            add_log_file(task.paths.exp / "train.log")
            self.record = RunLog(task.paths.exp, self.position.step, task.name, self.config.train.max_steps)
            self.watcher = Watcher(task, self.record, self._load)
        self.tally = EpochTally(self.position.tally, world.is_main)

    # ---- the story -------------------------------------------------------------------------------------------

    def fit(self) -> bool:
        """Train to the last step, or until asked to stop; the newest state is saved either way.

        Returns:
            Whether the last step was reached.
        """
        with self.record or nullcontext():
            return self._fit()

    def _fit(self) -> bool:
        task, train, position = self.task, self.config.train, self.position
        if self.world.is_main:
            _announce(task, self.world, self.precision)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        task.before_training(position.step)
        meter, live = Meter(), LiveLine(train.max_steps, position.step, enabled=self.world.is_main)
        self.tally.skip()
        for batch, waited_s in batches(self.task, position, self.world, self._load):
            position.step += 1
            extent = total_extent(task, [batch])
            audio_s = extent.audio_s * self.world.size if extent is not None else 0.0
            meter.add(self._step(batch, position.step), waited_s, audio_s)
            self.tally.add(extent, waited_s)
            live.step()
            if position.step % train.log_every_steps == 0 or position.step == train.max_steps:
                self._report(meter, live)
                meter = Meter()
            last = position.step == train.max_steps
            if position.step % train.valid_every_steps == 0 or last:
                self._validate()
            if position.epoch_ends or last:
                self._close_epoch()
            if position.step % train.save_every_steps == 0 or last or self._should_stop():
                self._save()
            if self.stopping:
                log.info("asked to stop: saved step %d; the same command goes on from there", position.step)
                break
            self.tally.skip()
        live.close()
        return position.step >= train.max_steps

    # ---- one step --------------------------------------------------------------------------------------------

    def _step(self, batch: Any, step: int) -> dict[str, float]:
        figures: dict[str, float] = {}
        torch.manual_seed((self.config.seed * 1_000_003 + step) * 64 + self.world.rank % 64)
        good = True
        for player, optimizer in self.players.items():
            if self.task.idle(step, player):
                continue
            values, norm = self._turn(batch, step, player, optimizer)
            good = good and norm is not None
            figures.update(values)
            if norm is not None:
                figures[f"grad_norm/{player}"] = norm
        self.position.bad_steps = 0 if good else self.position.bad_steps + 1
        if self.position.bad_steps >= self.config.train.max_bad_steps:
            raise TrainingError(
                f"{self.position.bad_steps} steps in a row up to step {step} had gradients that are not finite "
                f"(terms: {figures})",
                fix="lower optim.lr, or set train.precision=fp32 to see which term breaks first",
            )
        if good:
            self.task.after_step(step)
            if self.average is not None:
                self.average.update(self.task.model)
        return figures

    def _turn(
        self, batch: Any, step: int, player: str, optimizer: torch.optim.Optimizer
    ) -> tuple[dict[str, float], float | None]:
        lr = learning_rate(self.config.optim, step, self.config.train.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        optimizer.zero_grad(set_to_none=True)
        with autocast(self.world.device, self.precision):
            terms = self.task.losses(batch, step, player)
        weights = self.task.weights(step, player)
        loss, values = join_terms(terms, weights, self.world)
        values = {f"{n}": v for n, v in values.items()} | {f"weight/{n}": w for n, w in weights.items()} | {"lr": lr}
        values |= {f"lr/{part}": lr * scale for part, scale in self.config.optim.lr_scale.items()}
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.world.reduce_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.optim.grad_clip, foreach=True)
        if not torch.isfinite(norm):
            log.warning("step %d: the gradient of %s is not finite; the step is left out", step, player)
            optimizer.zero_grad(set_to_none=True)
            return values, None
        optimizer.step()
        return values, float(norm)

    def _load(self, split: str, items: Sequence[int], step: int) -> Any:
        batch = self.task.load(split, items, step)
        return batch.to(self.world.device) if hasattr(batch, "to") else batch

    # ---- validation, records, checkpoints --------------------------------------------------------------------

    @torch.no_grad()
    def _validate(self) -> None:
        position, model = self.position, self.task.model
        if self.average is not None:
            self.average.swap(model)
        model.eval()
        sums: dict[str, torch.Tensor] = {}
        for items in self.task.valid_plan():
            share = items[self.world.rank :: self.world.size]
            if not share:
                continue
            torch.manual_seed(self.config.seed)
            with autocast(self.world.device, self.precision):
                for name, term in self.task.evaluate(self._load("valid", share, 0)).items():
                    pair = torch.tensor([float(term.total), float(term.count)], dtype=torch.float64)
                    sums[name] = sums.get(name, torch.zeros(2, dtype=torch.float64)) + pair
        values = {n: float(s[0] / s[1].clamp_min(1)) for n, s in sorted(self._sum_all(sums).items())}
        values |= self.task.after_validation(position.step)
        best = self.config.train.best
        if best not in values:
            raise TrainingError(f"train.best is {best!r}", expected=f"one of {', '.join(values)}")
        improved = values[best] < position.best
        if improved:
            position.best = values[best]
        if self.world.is_main:
            log.info("valid step %d: %s%s", position.step, _words(values), " (best so far)" if improved else "")
            assert self.record is not None
            self.record.scalars(position.step, values, "valid")
            for name, figure in self.task.figures().items():
                self.record.figure(name, position.step, figure)
            self.watcher.look(position.step, autocast(self.world.device, self.precision))
            if improved:
                save_checkpoint(self.checkpoints / "best.pt", {"model": model.state_dict(), "step": position.step})
        model.train()
        if self.average is not None:
            self.average.swap(model)

    def _sum_all(self, sums: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self.world.size == 1 or not sums:
            return dict(sums)
        names = sorted(sums)
        stacked = self.world.sum(torch.stack([sums[n] for n in names]).to(self.world.device)).cpu()
        return dict(zip(names, stacked))

    def _close_epoch(self) -> None:
        figures = self.tally.close(self.world, self.position.epoch)
        if self.record is not None:
            log.info("end of %s", _words(figures))
            self.record.scalars(self.position.step, figures, "epoch")

    def _save(self) -> None:
        self.position.tally = self.tally.join(self.world)
        if not self.world.is_main:
            return
        last, previous = self.checkpoints / "last.pt", self.checkpoints / "previous.pt"
        state = {
            "model": self.task.model.state_dict(),
            "optimizers": {p: o.state_dict() for p, o in self.players.items()},
            "average": self.average.state_dict() if self.average is not None else None,
            "position": vars(self.position),
            "config_hash": config_hash(self.config),
        }
        fresh = self.checkpoints / "fresh.pt"
        save_checkpoint(fresh, state)
        if last.exists():
            last.replace(previous)
        fresh.replace(last)

    def _resume(self) -> None:
        found = [self.checkpoints / n for n in ("last.pt", "previous.pt") if (self.checkpoints / n).exists()]
        for path in found:
            try:
                state = load_checkpoint(path)
            except CheckpointError as error:
                if path == found[-1]:
                    raise
                log.warning("%s; going on from %s", error, found[-1].name)
                continue
            self._restore(state, path)
            return

    def _restore(self, state: dict[str, Any], path: Path) -> None:
        if state["config_hash"] != config_hash(self.config):
            raise CheckpointError(
                f"{path} belongs to config {state['config_hash']}, this run has {config_hash(self.config)}",
                fix="remove the run's folder to start anew, or give this run another --exp",
            )
        load_weights(self.task.model, state["model"], str(path))
        for player, optimizer in self.players.items():
            optimizer.load_state_dict(state["optimizers"][player])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.position = Position(**state["position"])
        log.info("going on from step %d (%s)", self.position.step, path)

    def _report(self, meter: Meter, live: LiveLine) -> None:
        if self.record is None:
            return
        position, values = self.position, meter.values()
        self.record.scalars(position.step, values, "train")
        left = (self.config.train.max_steps - position.step) * meter.step_s
        shown = {n: v for n, v in values.items() if "/" not in n}
        log.info(
            "step %d of %d, epoch %d, %.0f s left: %s",
            position.step, self.config.train.max_steps, position.epoch, left, _words(shown), extra={"live": True},
        )  # fmt: skip
        live.tell(values)

    def _ask_to_stop(self, *_: object) -> None:
        self.stopping = True

    def _should_stop(self) -> bool:
        """Whether any process was asked to stop; all agree."""
        if self.world.size > 1:
            flag = self.world.sum(torch.tensor([float(self.stopping)], device=self.world.device))
            self.stopping = bool(flag.item() > 0)
        return self.stopping


def _announce(task: Task, world: World, precision: str) -> None:
    size = sum(p.numel() for p in task.model.parameters()) / 1e6
    log.info(
        "training %s: %.2f M parameters, %d steps, %d process(es), %s, %s",
        task.name, size, task.config.train.max_steps, world.size, world.device, precision,
    )  # fmt: skip


def _words(values: Mapping[str, float]) -> str:
    return " ".join(f"{n} {v:.4g}" for n, v in values.items())
