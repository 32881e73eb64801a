"""The best checkpoints by a validation metric, and the mean of their weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ctaplib.checkpoint import load_checkpoint, save_checkpoint
from ctaplib.runs.log import get_logger

log = get_logger("ctaplib.train")


class Best:
    """The smallest values so far, and their checkpoints: `best.pt`, and `best_<step>.pt` where several are kept."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep
        self.seen: list[tuple[float, int]] = []  # value and step, best first

    @property
    def value(self) -> float:
        """The smallest value so far."""
        return self.seen[0][0] if self.seen else float("inf")

    def add(self, value: float, step: int) -> tuple[bool, bool]:
        """Add a value; return whether it is kept, and whether it is the best. Of equal values the first is better."""
        before = [pair for pair in self.seen if pair[1] != step]  # a validation that is done once more
        improved = not before or value < before[0][0]
        self.seen = sorted([*before, (value, step)], key=lambda pair: pair[0])[: self.keep]
        return (value, step) in self.seen, improved

    def write(self, step: int, model: torch.nn.Module, kept: bool, improved: bool) -> None:
        """Write what `add` decided on."""
        state = {"model": model.state_dict(), "step": step}
        if kept and self.keep > 1:
            save_checkpoint(self._path(step), state)
        if improved:
            save_checkpoint(self.folder / "best.pt", state)

    def tidy(self) -> None:
        """Remove checkpoints that are not among the best any more, once the saved state of the run does not name them."""
        kept = {self._path(step) for _, step in self.seen} if self.keep > 1 else set()
        for path in set(self.folder.glob("best_*.pt")) - kept:
            path.unlink()

    def write_mean(self, model: torch.nn.Module) -> None:
        """Write the mean as `best.pt`, with the steps that it is the mean of."""
        steps = [step for _, step in self.seen]
        save_checkpoint(self.folder / "best.pt", {"model": model.state_dict(), "step": steps[0], "mean_of_steps": steps})

    def _path(self, step: int) -> Path:
        return self.folder / f"best_{step}.pt"

    def mean(self, model: torch.nn.Module) -> dict[str, torch.Tensor] | None:
        """Return the state with the mean of the best checkpoints' parameters, and with the buffers (code books) of the best.
        None where fewer than two of them exist.
        """
        gone = [step for _, step in self.seen if not self._path(step).exists()]
        if gone:  # the run goes on from a state that is older than the last `tidy`
            log.warning("the best checkpoints of steps %s are gone, and have no part in the mean", gone)
            self.seen = [pair for pair in self.seen if pair[1] not in gone]
        if len(self.seen) < 2:
            return None
        states: list[Mapping[str, Any]] = [load_checkpoint(self._path(step))["model"] for _, step in self.seen]
        mean = dict(states[0])
        for name, _ in model.named_parameters():
            mean[name] = torch.stack([s[name].double() for s in states]).mean(0).to(states[0][name].dtype)
        return mean
