"""Optimizers, learning-rate schedules, moving average of the weights."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ctaplib.errors import ConfigError
from ctaplib.tasks.base import Task
from ctaplib.tasks.settings import OptimConfig


class AdamW(torch.optim.AdamW):
    """torch's AdamW without the import of torch's compiler, which takes longer than `import torch` and is not used here."""

    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        with torch.no_grad():
            return _STEP(self, closure)


# torch decorates these methods so that its compiler skips them, and the first call of each imports the compiler for that.
# `unwrap` returns the method below the decorators, or the method itself where a version of torch has none; the attribute does
# nothing where a version does not read it. tests/unit/test_optim.py compares the steps with those of torch's class.
_STEP = inspect.unwrap(torch.optim.Adam.step)
for _method in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
    _plain = inspect.unwrap(getattr(torch.optim.Optimizer, _method))
    _plain.__dynamo_disable = _plain


def build_optimizers(task: Task) -> dict[str, AdamW]:
    """Build the optimizers of a task, each with the parameters and the settings that the task gives it.

    Raises:
        ConfigError: names of optimizers repeat, one has no parameters, or an `lr_scale` names parameters that are not there.
    """
    repeated = sorted({name for name in task.optimizers if task.optimizers.count(name) > 1})
    if repeated or not task.optimizers:
        found = f"names {', '.join(repeated)} more than once" if repeated else "names none"
        raise ConfigError(f"`optimizers` of the task {task.name} {found}", expected="a name for each optimizer")
    names = {parameter: name for name, parameter in task.model.named_parameters()}
    named = {o: {names[p]: p for p in task.optimizer_parameters(o)} for o in task.optimizers}
    if empty := [optimizer for optimizer, held in named.items() if not held]:
        raise ConfigError(f"the task {task.name} gives its optimizer {', '.join(empty)} no parameters")
    settings = {optimizer: task.optim(optimizer) for optimizer in named}
    for config in settings.values():
        scalable = [name for optimizer, held in named.items() if settings[optimizer] == config for name in held]
        if unused := [part for part in config.lr_scale if not any(name.startswith(part) for name in scalable)]:
            parts = sorted({name.split(".")[0] for name in scalable})
            raise ConfigError(f"optim.lr_scale names {', '.join(unused)}", expected=f"parts of the model: {', '.join(parts)}")
    return {optimizer: _build_optimizer(held, settings[optimizer]) for optimizer, held in named.items()}


def _build_optimizer(named: Mapping[str, torch.nn.Parameter], config: OptimConfig) -> AdamW:
    """Build an AdamW that decays matrices and not vectors; every group has its `lr_scale`."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in named.items():
        scale = next((f for p, f in config.lr_scale.items() if name.startswith(p)), 1.0)
        decay = config.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    settings = [{"params": g, "weight_decay": decay, "lr_scale": scale} for (scale, decay), g in groups.items()]
    return AdamW(settings, lr=config.lr, betas=config.betas, fused=True)


def clip_gradients(parameters: Sequence[torch.nn.Parameter], most: float) -> float:
    """Clip the norm of all gradients together as torch does, and return it; gradients within it are not touched."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)
    if not bool(most >= norm + 1e-6):
        torch.nn.utils.clip_grads_with_norm_(parameters, most, norm, foreach=True)
    return float(norm)


def learning_rate(config: OptimConfig, step: int, max_steps: int) -> float:
    """Return the learning rate at a step counted from 1."""
    if step <= config.warmup_steps:
        return config.lr * step / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    done = (step - config.warmup_steps) / max(1, max_steps - config.warmup_steps)
    left = 1.0 - done if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return config.lr * (config.final_lr + (1 - config.final_lr) * left)


class WeightAverage:
    """Exponential moving average of the parameters; buffers are those of the model.

    The decay is smaller at first, min(decay, (1 + t) / (10 + t)), so that early weights are forgotten. torch's `AveragedModel`
    begins at the first update rather than at the first weights, and copies the buffers, too.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Take the model's present weights in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_([self.shadow[n] for n, _ in model.named_parameters()], list(model.parameters()), 1 - decay)

    @torch.no_grad()
    def swap(self, model: torch.nn.Module) -> None:
        """Exchange the model's weights and the average; calling it twice changes nothing."""
        for name, parameter in model.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.shadow[name])
            self.shadow[name].copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"steps": self.steps, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.steps = int(state["steps"])
        for name, value in state["shadow"].items():
            self.shadow[name].copy_(value)
