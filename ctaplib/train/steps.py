"""One step: the turns of its players, each with its gradient, its guard and its optimiser."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ctaplib.collective import apart
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.train.accumulate import Accumulator, seed_draws
from ctaplib.train.batches import Share
from ctaplib.train.distributed import World
from ctaplib.train.guard import BadBatch, Guard
from ctaplib.train.memory import explain
from ctaplib.train.optim import WeightAverage, build_optimizer, clip_gradients, learning_rate
from ctaplib.train.precision import LossScale, autocast
from ctaplib.train.reducer import Reducer

log = get_logger("ctaplib.train")


class Steps:
    """Takes steps; holds everything that a step changes but the model.

    Args:
        task: What is trained; its model is on its device.
        world: The processes.
        precision: Of the products.
    """

    def __init__(self, task: Task, world: World, precision: str) -> None:
        self.task, self.world, self.config = task, world, task.config
        names = {parameter: name for name, parameter in task.model.named_parameters()}
        players = {p: list(task.player_parameters(p)) for p in task.players}
        self.optimizers = {p: build_optimizer({names[w]: w for w in held}, self.config.optim) for p, held in players.items()}
        self.reducers = {p: Reducer(held, world) for p, held in players.items()}
        self.accumulator = Accumulator(task, world, partial(autocast, world.device, precision))
        decay = self.config.optim.ema_decay
        self.average = WeightAverage(task.model, decay) if decay > 0 else None
        self.scale = LossScale(precision)
        self.guard = Guard(self.config.train, task.paths.exp, world.rank)

    def take(self, share: Share, micros: Sequence[Any]) -> dict[str, float]:
        """Take a step.

        Args:
            share: What it takes.
            micros: The micro-batches, on the device or not.

        Returns:
            Terms, weights, gradient norms and learning rate.

        Raises:
            TrainingError: memory ran out, or too many steps in a row had gradients that are not finite.
        """
        try:
            return self._take(share, [on_device(batch, self.world.device) for batch in micros])
        except (RuntimeError, MemoryError) as error:
            told = explain(error, self.task.item_frames(share.items), f"at step {share.step}")
            if told is None:
                raise
            raise told from error

    def _take(self, share: Share, micros: Sequence[Any]) -> dict[str, float]:
        figures: dict[str, float] = {}
        seed = (self.config.seed * 1_000_003 + share.step) * 64 + self.world.rank % 64
        seed_draws(seed, self.world.device)
        faults: list[str] = []
        finite = True
        for player in self.optimizers:
            if self.task.idle(share.step, player):
                continue
            values, norm, fault = self._turn(share, micros, player, seed)
            faults.append(fault)
            finite = finite and norm is not None
            figures.update(values)
            if norm is not None:
                figures[f"grad_norm/{player}"] = norm
        self.guard.count(share.step, finite, figures)
        if any(faults):
            self.task.forget()
            return figures
        self.task.after_step(share.step)
        if self.average is not None:
            self.average.update(self.task.model)
        return figures

    def _turn(self, share: Share, micros: Sequence[Any], player: str, seed: int) -> tuple[dict[str, float], float | None, str]:
        """Values of the terms, norm of the gradient (None where it is not finite) and why the turn was not taken."""
        optimizer, step = self.optimizers[player], share.step
        lr = learning_rate(self.config.optim, step, self.config.train.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        optimizer.zero_grad(set_to_none=True)
        values = self.accumulator.run(micros, step, player, seed, share.several, self.reducers[player], self.scale.value)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.scale.undo(parameters)
        norm = clip_gradients(parameters, self.config.optim.grad_clip)
        finite = norm - norm == 0.0
        mended = self.scale.update(finite)
        fault = self.guard.fault(player, norm)
        values |= {f"weight/{n}": w for n, w in self.task.weights(step, player).items()} | {"lr": lr}
        values |= {f"lr/{part}": lr * scale for part, scale in self.config.optim.lr_scale.items()}
        if self.scale.used:
            values["loss_scale"] = self.scale.value
        if not fault:
            optimizer.step()
            return values, norm, ""
        optimizer.zero_grad(set_to_none=True)
        if mended:
            log.info("step %d is left out: a gradient overflowed fp16, the loss scale is now %g", step, self.scale.value)
        else:
            self.guard.keep(step, player, fault, BadBatch(micros, share.micros, self.accumulator.own, values))
        return values, norm if finite or mended else None, fault

    def attempt(self, batch: Any) -> None:
        """The forward and backward passes of a batch on this process alone; leaves no trace, whether they succeed or not."""
        step, world = self.task.trial_step(), World(0, 1, self.world.device)
        accumulator, reducer = Accumulator(self.task, world, self.accumulator.autocast), Reducer([], world)
        try:
            for player, optimizer in self.optimizers.items():
                if not self.task.idle(step, player):
                    with apart():
                        accumulator.run([batch], step, player, 0, False, reducer)
                    optimizer.zero_grad(set_to_none=True)
        finally:
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            self.task.forget()

    def bytes_to_come(self) -> int:
        """What the optimisers have yet to allocate: two moments of every parameter that has not moved."""
        still = [w for o in self.optimizers.values() for g in o.param_groups for w in g["params"] if w not in o.state]
        return sum(2 * w.numel() * w.element_size() for w in still)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {
            "optimizers": {p: o.state_dict() for p, o in self.optimizers.items()},
            "average": self.average.state_dict() if self.average is not None else None,
            "guard": self.guard.state_dict(),
            "scale": self.scale.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][player])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.guard.load_state_dict(state["guard"])
        self.scale.load_state_dict(state["scale"])


def on_device(batch: Any, device: torch.device) -> Any:
    """A batch on a device; one that has no tensors stays where it is."""
    return batch.to(device) if hasattr(batch, "to") else batch
