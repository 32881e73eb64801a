"""A task with two optimizers: an estimator that updates five times in a step, with settings of its own, and a model behind it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from toy_task import ToyTask

from ctaplib.losses.terms import Term
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.settings import OptimConfig, TaskConfig

INNER = 5


class InnerConfig(TaskConfig):
    """Settings of both optimizers."""

    estimator: OptimConfig = OptimConfig(lr=0.02, warmup_steps=0, schedule="constant", betas=(0.5, 0.9), grad_clip=0.5)
    noise: float = 0.0
    """Standard deviation of what the estimator's loss draws at every update."""


class Encoded(NamedTuple):
    """A batch and its code, computed once for all updates of a step."""

    batch: torch.Tensor
    code: torch.Tensor


class Parts(torch.nn.Module):
    """What is trained, and the calls of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = torch.nn.Linear(4, 3), torch.nn.Linear(3, 1)
        self.estimator = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))


class InnerTask(ToyTask):
    """The model predicts a target from a code that is to tell nothing of another; the estimator learns what the code tells."""

    name = "inner"
    Config = InnerConfig
    config: InnerConfig
    optimizers: tuple[str, ...] = ("estimator", "model")

    def __init__(self, config: InnerConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        torch.manual_seed(config.seed)
        self.model = Parts()
        self.encoded: list[int] = []
        self.drawn: list[float] = []

    def updates(self, step: int) -> Sequence[str]:
        return ("estimator",) * INNER + ("model",)

    def optim(self, optimizer: str) -> OptimConfig:
        return self.config.estimator if optimizer == "estimator" else self.config.optim

    def optimizer_parameters(self, optimizer: str) -> Iterable[torch.nn.Parameter]:
        parts = (self.model.estimator,) if optimizer == "estimator" else (self.model.encoder, self.model.head)
        return [parameter for part in parts for parameter in part.parameters()]

    def shared(self, batch: torch.Tensor, step: int) -> Encoded:
        self.encoded.append(step)
        batch = batch.to(self.model.encoder.weight.dtype)
        return Encoded(batch, self.model.encoder(batch))

    def losses(self, batch: Any, step: int, optimizer: str) -> dict[str, Term]:
        inputs, code = batch
        if optimizer == "estimator":
            drawn = torch.randn(()).item() if self.config.noise else 0.0
            self.drawn.append(drawn)
            error = (self.model.estimator(code.detach())[:, 0] - inputs[:, 1] - self.config.noise * drawn) ** 2
            return {"estimate": Term(error.sum(), float(len(error)))}
        weight = (inputs[:, 1] > 0).to(inputs.dtype) + 1
        error = (self.model.head(code)[:, 0] - 3 * inputs[:, 0]) ** 2
        told = -((self.model.estimator(code)[:, 0] - inputs[:, 1]) ** 2).clamp(max=1.0)
        return {"fit": Term((error * weight).sum(), weight.sum()), "bound": Term(told.sum(), float(len(told)))}

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        return {"estimate": 1.0} if optimizer == "estimator" else {"fit": 1.0, "bound": 0.3}

    def evaluate(self, batch: torch.Tensor) -> dict[str, Term]:
        return {"loss": self.losses(self.shared(batch, 0), 0, "model")["fit"]}
