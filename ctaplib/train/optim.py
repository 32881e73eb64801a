"""Optimisers, learning-rate schedules, moving averages of weights."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ctaplib.errors import ConfigError
from ctaplib.tasks.base import OptimConfig


class AdamW(torch.optim.AdamW):
    """torch's, without the import of torch's compiler (a CPU second of every start), which is not used on optimisers here."""

    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        with torch.no_grad():
            return _STEP(self, closure)


_STEP = inspect.unwrap(torch.optim.Adam.step)
for _method in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
    _plain = inspect.unwrap(getattr(torch.optim.Optimizer, _method))
    _plain.__dynamo_disable = _plain  # what torch would find by importing the compiler


def build_optimizer(named: Mapping[str, torch.nn.Parameter], config: OptimConfig) -> AdamW:
    """AdamW that decays matrices and leaves vectors alone; every group knows its `lr_scale`.

    Raises:
        ConfigError: `lr_scale` names parameters that are not there.
    """
    unused = [p for p in config.lr_scale if not any(n.startswith(p) for n in named)]
    if unused:
        parts = sorted({n.split(".")[0] for n in named})
        raise ConfigError(f"optim.lr_scale names {', '.join(unused)}", expected=f"parts of the model: {', '.join(parts)}")
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in named.items():
        scale = next((f for p, f in config.lr_scale.items() if name.startswith(p)), 1.0)
        decay = config.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    settings = [{"params": g, "weight_decay": decay, "lr_scale": scale} for (scale, decay), g in groups.items()]
    return AdamW(settings, lr=config.lr, betas=config.betas, fused=True)


@torch.no_grad()
def clip_gradients(parameters: Sequence[torch.nn.Parameter], most: float) -> float:
    """Scale all gradients down together to a norm of at most `most`; give the norm before.

    The numbers are those of `torch.nn.utils.clip_grad_norm_`; gradients that need no scaling are not touched.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    factor = most / (norm + 1e-6)
    if not bool(factor >= 1.0):
        torch._foreach_mul_(gradients, factor)
    return float(norm)


def learning_rate(config: OptimConfig, step: int, max_steps: int) -> float:
    """Learning rate at a step counted from 1.

    Raises:
        ConfigError: the schedule has an unknown name.
    """
    if step <= config.warmup_steps:
        return config.lr * step / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, max_steps - config.warmup_steps)
    shapes = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))}
    if config.schedule not in shapes:
        raise ConfigError(f"optim.schedule is {config.schedule!r}", expected=f"one of {', '.join(shapes)}")
    if config.schedule == "constant":
        return config.lr
    return config.lr * (config.final_lr + (1 - config.final_lr) * shapes[config.schedule])


class WeightAverage:
    """Exponential moving average of the parameters; buffers are taken as they are.

    The decay is smaller at first, min(decay, (1 + t) / (10 + t)), so that early weights are forgotten.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Take the model's present weights in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        shadows = [self.shadow[n] for n, _ in model.named_parameters()]
        torch._foreach_lerp_(shadows, [p.detach() for p in model.parameters()], 1 - decay)

    @torch.no_grad()
    def swap(self, model: torch.nn.Module) -> None:
        """Exchange the model's weights and the average; calling it twice changes nothing."""
        for name, parameter in model.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.shadow[name])
            self.shadow[name].copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"steps": self.steps, "shadow": self.shadow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.steps = int(state["steps"])
        for name, value in state["shadow"].items():
            self.shadow[name].copy_(value)
