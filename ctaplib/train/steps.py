"""One step of training: the updates of its optimizers, each with its gradient, guard and learning rate."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ctaplib.collective import apart
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.tensors import map_tensors
from ctaplib.train.accumulate import Accumulator, seed_draws
from ctaplib.train.batches import LocalBatch
from ctaplib.train.distributed import World
from ctaplib.train.guard import Guard
from ctaplib.train.memory import explained
from ctaplib.train.optim import WeightAverage, build_optimizers, clip_gradients, learning_rate
from ctaplib.train.precision import autocast, load_scaler, make_scaler
from ctaplib.train.reducer import Reducer

log = get_logger("ctaplib.train")


class Steps:
    """Takes steps; holds everything that a step changes but the model, which is on its device."""

    def __init__(self, task: Task, world: World, precision: str) -> None:
        self.task, self.world, self.config = task, world, task.config
        self.optimizers = build_optimizers(task)
        self.reducers = {name: Reducer(_parameters(optimizer), world) for name, optimizer in self.optimizers.items()}
        self.autocast = partial(autocast, world.device, precision)
        decay = self.config.optim.ema_decay
        self.average = WeightAverage(task.model, decay) if decay > 0 else None
        self.scaler = make_scaler(precision, world.device)
        self.guard = Guard(self.config.train, task.paths.exp, world.rank)
        self._optimizer_of_term: dict[str, str] = {}

    def take(self, local: LocalBatch, micros: Sequence[Any]) -> dict[str, float]:
        """Take a step with the micro-batches of a local batch.

        Returns:
            Terms, weights, gradient norms and learning rates; of repeated updates those of the last.

        Raises:
            TrainingError: memory ran out, or too many steps in a row had gradients that are not finite.
        """
        with explained(self.task, self.task.item_frames(local.items), f"at step {local.step}"):
            return self._take(local, [on_device(batch, self.world.device) for batch in micros])

    def _take(self, local: LocalBatch, micros: Sequence[Any]) -> dict[str, float]:
        seed = (self.config.seed * 1_000_003 + local.step) * 64 + self.world.rank % 64
        seed_draws(seed, self.world.device)
        passes = Accumulator(self.task, self.world, self.autocast, micros, local.step, seed, local.several)
        figures: dict[str, float] = {}
        skipped, finite = False, True
        for name in self._updates(local.step):
            values, norm, fault = self._update(local, passes, name)
            skipped, finite = skipped or bool(fault), finite and norm is not None
            figures.update(values)
            if norm is not None:
                figures[f"grad_norm/{name}"] = norm
        self.guard.count(local.step, finite, figures)
        if skipped:
            self.task.discard_pending()
            return figures
        self.task.after_step(local.step)
        if self.average is not None:
            self.average.update(self.task.model)
        return figures

    def _updates(self, step: int) -> Sequence[str]:
        """Return the optimizers that update in a step, in their order, with their names and those of their terms checked."""
        updates = self.task.updates(step)
        if unknown := sorted(set(updates) - set(self.optimizers)):
            raise ConfigError(
                f"step {step} of the task {self.task.name} updates {', '.join(unknown)}",
                expected=f"its optimizers: {', '.join(self.optimizers)}",
            )
        for name in dict.fromkeys(updates):
            for term in self.task.weights(step, name):
                if (other := self._optimizer_of_term.setdefault(term, name)) != name:
                    raise ConfigError(
                        f"the optimizers {other} and {name} of the task {self.task.name} both have a term {term}",
                        expected="another name for each, as records hold them side by side",
                    )
        return updates

    def _update(self, local: LocalBatch, passes: Accumulator, name: str) -> tuple[dict[str, float], float | None, str]:
        """Make an update.

        Returns:
            Values for the record, the norm of the gradient (None where it is not finite), and why the update was skipped, if so.
        """
        optimizer, config, step = self.optimizers[name], self.task.optim(name), local.step
        lr = learning_rate(config, step, self.config.train.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        self.reducers[name].clear()
        values = passes.run(name, self.reducers[name], self.scaler.scale)
        self.scaler.unscale_(optimizer)
        norm = clip_gradients(_parameters(optimizer), config.grad_clip)
        finite = norm - norm == 0.0
        before = self.scaler.get_scale()
        self.scaler.update()
        # An overflow that a smaller scale prevents next time is no fault of the batch.
        overflowed = 1.0 <= self.scaler.get_scale() < before
        fault = self.guard.fault(name, norm)
        values |= {f"weight/{n}": w for n, w in self.task.weights(step, name).items()}
        values |= {"lr" if len(self.optimizers) == 1 else f"lr/{name}": lr}
        values |= {f"lr/{part}": lr * scale for part, scale in config.lr_scale.items()}
        if self.scaler.is_enabled():
            values["loss_scale"] = self.scaler.get_scale()
        if not fault:
            optimizer.step()
            return values, norm, ""
        optimizer.zero_grad(set_to_none=True)
        if overflowed:
            log.info("step %d is skipped: a gradient overflowed fp16, the loss scale is now %g", step, self.scaler.get_scale())
        else:
            self.guard.keep(local, name, fault, passes, values)
        return values, norm if finite or overflowed else None, fault

    def attempt(self, batch: Any) -> None:
        """Run the forward and backward passes of a batch on this rank alone, and leave no trace, whether they succeed or not."""
        step, world = self.task.trial_step(), World(0, 1, self.world.device)
        passes, reducer = Accumulator(self.task, world, self.autocast, [batch], step), Reducer([], world)
        try:
            for name in dict.fromkeys(self._updates(step)):
                with apart():
                    passes.run(name, reducer)
                self.optimizers[name].zero_grad(set_to_none=True)
        finally:
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            self.task.discard_pending()

    def bytes_to_come(self) -> int:
        """Return the bytes that the optimizers have yet to allocate: two moments of every parameter without a step."""
        new = [p for optimizer in self.optimizers.values() for p in _parameters(optimizer) if p not in optimizer.state]
        return sum(2 * p.numel() * p.element_size() for p in new)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "average": self.average.state_dict() if self.average is not None else None,
            "guard": self.guard.state_dict(),
            "scale": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            CheckpointError: it is of other optimizers.
        """
        if set(state["optimizers"]) != set(self.optimizers):
            raise CheckpointError(
                f"the checkpoint has optimizers {', '.join(state['optimizers'])}",
                expected=f"those of the task: {', '.join(self.optimizers)}",
                fix="give this run another --exp",
            )
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.guard.load_state_dict(state["guard"])
        load_scaler(self.scaler, state["scale"])


def on_device(batch: Any, device: torch.device) -> Any:
    """Return a batch on a device: by its own `to`, or else every tensor of it."""
    if device.type == "cpu":
        return batch
    return batch.to(device) if hasattr(batch, "to") else map_tensors(batch, lambda t: t.to(device, non_blocking=True))


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
