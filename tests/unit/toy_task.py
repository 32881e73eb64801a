"""A task small enough for tests of the trainer: a linear map, one item a vector."""

from collections.abc import Sequence

import torch

from ctaplib.data.transforms import keyed_rng
from ctaplib.losses.terms import Term
from ctaplib.tasks.base import Task, TaskPaths
from ctaplib.tasks.settings import TaskConfig


class ToyTask(Task):
    """Learns y = 3 x with noise keyed by step and item."""

    name = "toy"
    Config = TaskConfig

    def __init__(self, config: TaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        super().__init__(config, paths, training=training)
        torch.manual_seed(config.seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        self.seen: list[list[int]] = []

    def train_plan(self, epoch: int) -> list[list[int]]:
        """Five batches of four items, in an order of the epoch's own."""
        order = torch.randperm(20, generator=torch.Generator().manual_seed(epoch)).tolist()
        return [order[i : i + 4] for i in range(0, 20, 4)]

    def valid_plan(self) -> list[list[int]]:
        """Two batches."""
        return [[0, 1, 2, 3], [4, 5, 6]]

    def load(self, split: str, items: Sequence[int], step: int) -> torch.Tensor:
        """Inputs (B, 4)."""
        self.seen.append(list(items))
        return torch.stack([torch.from_numpy(keyed_rng(self.config.seed, step, str(i)).normal(size=4)) for i in items]).float()

    def losses(self, batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
        """Square error; the count differs from item to item, as that of frames does."""
        batch = batch.to(next(self.model.parameters()).dtype)
        error = (self.model(batch)[:, 0] - 3 * batch[:, 0]) ** 2
        weight = (batch[:, 1] > 0).to(batch.dtype) + 1
        return {"fit": Term((error * weight).sum(), weight.sum()), "size": Term(error.sum(), float(len(error)))}

    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        """Two terms."""
        return {"fit": 1.0, "size": 0.5}

    def evaluate(self, batch: torch.Tensor) -> dict[str, Term]:
        """The fit."""
        return {"loss": self.losses(batch, 0, "model")["fit"]}
