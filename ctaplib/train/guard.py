"""Steps that must not be taken: gradients that are not finite, or far larger than those before. Their batches are kept.

A skipped step changes no weight. The norm of every step enters the window, so a new level of the gradients, as when a term of
the loss sets in, is taken as normal after half a window.
"""

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ctaplib.checkpoint import save_checkpoint
from ctaplib.errors import TrainingError
from ctaplib.files import atomic_write
from ctaplib.runlog import get_logger
from ctaplib.tasks.base import TrainConfig

WINDOW = 100
FIRST_LOOK = 50
"""Norms that must be known before one is called too large."""
KEPT = 8
"""Bad batches that are kept; the first are the ones worth looking at."""
log = get_logger("ctaplib.train")


class Guard:
    """Judges every gradient norm, keeps bad batches, and stops a run that does not recover.

    Args:
        config: Its limits.
        exp: Folder of the run; batches go to `bad_batches/`.
        rank: This process, in the names of its files.
    """

    def __init__(self, config: TrainConfig, exp: Path, rank: int) -> None:
        self.config, self.folder, self.rank = config, exp / "bad_batches", rank
        self.norms: dict[str, deque[float]] = {}
        self.bad_steps = 0

    def fault(self, player: str, norm: float) -> str:
        """Why a step is not taken, or an empty word."""
        window = self.norms.setdefault(player, deque(maxlen=WINDOW))
        if not math.isfinite(norm):
            return "its gradient is not finite"
        usual = median(window) if len(window) >= FIRST_LOOK else 0.0
        window.append(norm)
        if self.config.spike_factor and usual and norm > self.config.spike_factor * usual:
            return (
                f"its gradient norm {norm:.4g} is {norm / usual:.0f} times the median {usual:.4g} of the {len(window) - 1} before"
            )
        return ""

    def keep(self, step: int, player: str, reason: str, values: Mapping[str, float], batches: Sequence[Any]) -> None:
        """Write this process's part of the batch beside what is known of it, for inspection."""
        path = self.folder / f"step{step}_{player}_rank{self.rank}.pt"
        if not path.exists() and len(list(self.folder.glob(f"*_rank{self.rank}.pt"))) >= KEPT:
            log.warning("step %d is left out: %s; %s holds %d batches already, this one is not kept",
                        step, reason, self.folder, KEPT)  # fmt: skip
            return
        known = {"step": step, "player": player, "reason": reason, "terms": {n: repr(v) for n, v in values.items()}}
        save_checkpoint(path, {**known, "batches": [_plain(batch) for batch in batches]})
        with atomic_write(path.with_suffix(".json")) as out:
            ids = [list(getattr(batch, "ids", ())) for batch in batches]
            out.write(json.dumps({**known, "ids": ids}, indent=1) + "\n")
        log.warning("step %d is left out: %s; its batch is kept as %s", step, reason, path)

    def count(self, step: int, finite: bool, values: Mapping[str, float]) -> None:
        """Count steps in a row that were not finite.

        Raises:
            TrainingError: there were too many.
        """
        self.bad_steps = 0 if finite else self.bad_steps + 1
        if self.bad_steps >= self.config.max_bad_steps:
            raise TrainingError(
                f"{self.bad_steps} steps in a row up to step {step} had gradients that are not finite (terms: {dict(values)})",
                fix=f"look at {self.folder}; lower optim.lr, or set train.precision=fp32 to see which term breaks first",
            )

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"bad_steps": self.bad_steps, "norms": {p: list(w) for p, w in self.norms.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.bad_steps = state["bad_steps"]
        self.norms = {p: deque(w, maxlen=WINDOW) for p, w in state["norms"].items()}


def _plain(batch: Any) -> Any:
    """Tensors and words of a batch, which can be loaded without running code."""
    if torch.is_tensor(batch):
        return batch.detach().cpu()
    if is_dataclass(batch):
        return {f.name: _plain(getattr(batch, f.name)) for f in fields(batch)}
    return list(batch) if isinstance(batch, tuple) else batch
