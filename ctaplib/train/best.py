"""The best checkpoints by a validation metric, and the mean of their weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ctaplib.checkpoint import load_checkpoint, save_checkpoint
from ctaplib.runs.log import get_logger

log = get_logger("ctaplib.train")


@dataclass
class Best:
    """The smallest values so far, best first, and the steps they were seen at.

    Attributes:
        keep: How many are kept.
        seen: Pairs of value and step.
    """

    keep: int
    seen: list[tuple[float, int]] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The smallest value so far."""
        return self.seen[0][0] if self.seen else float("inf")

    def add(self, value: float, step: int) -> tuple[bool, bool]:
        """Take a value in; whether it is kept, and whether it is the best. Of equal values the first is better."""
        before = [pair for pair in self.seen if pair[1] != step]  # a validation that is done once more
        improved = not before or value < before[0][0]
        self.seen = sorted([*before, (value, step)], key=lambda pair: pair[0])[: self.keep]
        return (value, step) in self.seen, improved

    def write(self, folder: Path, step: int, model: torch.nn.Module, kept: bool, improved: bool) -> None:
        """Write what `add` decided on as `best.pt` and, where several are kept, `best_<step>.pt`."""
        state = {"model": model.state_dict(), "step": step}
        if kept and self.keep > 1:
            save_checkpoint(self.path(folder, step), state)
        if improved:
            save_checkpoint(folder / "best.pt", state)

    def tidy(self, folder: Path) -> None:
        """Remove the checkpoints that fell out, once a saved state of the run no longer names them."""
        wanted = {self.path(folder, s) for _, s in self.seen} if self.keep > 1 else set()
        for path in set(folder.glob("best_*.pt")) - wanted:
            path.unlink()

    def write_mean(self, folder: Path, model: torch.nn.Module) -> None:
        """Write the mean as `best.pt`, with the steps it was taken over."""
        steps = [step for _, step in self.seen]
        save_checkpoint(folder / "best.pt", {"model": model.state_dict(), "step": steps[0], "mean_of_steps": steps})

    def path(self, folder: Path, step: int) -> Path:
        """Where the checkpoint of a step is kept."""
        return folder / f"best_{step}.pt"

    def mean(self, folder: Path, model: torch.nn.Module) -> dict[str, torch.Tensor] | None:
        """State with the mean of the kept checkpoints' parameters; buffers, such as code books, are those of the best.
        None where fewer than two of them are there.
        """
        gone = [step for _, step in self.seen if not self.path(folder, step).exists()]
        if gone:  # a state from before the last one was taken up
            log.warning("the best checkpoints of steps %s are gone, and have no part in the mean", gone)
            self.seen = [pair for pair in self.seen if pair[1] not in gone]
        if len(self.seen) < 2:
            return None
        states: list[Mapping[str, Any]] = [load_checkpoint(self.path(folder, step))["model"] for _, step in self.seen]
        mean = dict(states[0])
        for name, _ in model.named_parameters():
            mean[name] = torch.stack([s[name].double() for s in states]).mean(0).to(states[0][name].dtype)
        return mean
