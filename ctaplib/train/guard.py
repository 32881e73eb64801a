"""Steps that must not be taken: gradients that are not finite, or far larger than those before. Their batches are kept.

A skipped step changes no weight. The norm of every step enters the window, so a new level of the gradients, as when a term of
the loss sets in, is taken as normal after half a window.
"""

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ctaplib.checkpoint import save_checkpoint
from ctaplib.collective import gather_objects
from ctaplib.errors import TrainingError
from ctaplib.files import atomic_write
from ctaplib.runs.log import get_logger
from ctaplib.tasks.settings import TrainConfig

WINDOW = 100
FIRST_LOOK = 50
"""Norms that must be known before one is called too large."""
KEPT = 8
"""Bad batches that are kept; the first are the ones worth looking at."""
log = get_logger("ctaplib.train")


@dataclass(frozen=True)
class BadBatch:
    """This process's part of a batch whose step is not taken.

    Attributes:
        micros: Its micro-batches.
        items: Their items.
        own: Sum and count of every term of each.
        values: Terms of the whole batch, and what else is known of the step.
    """

    micros: Sequence[Any]
    items: Sequence[Sequence[int]]
    own: Sequence[Mapping[str, torch.Tensor]]
    values: Mapping[str, float]

    def terms(self) -> dict[str, float]:
        """Every term on this process."""
        names = self.own[0] if self.own else ()
        sums = {name: torch.stack([pairs[name] for pairs in self.own]).sum(0) for name in names}
        return {name: float(pair[0] / pair[1].clamp_min(1.0)) for name, pair in sums.items()}

    def not_finite(self) -> list[str]:
        """Utterances that have values that are not finite in what was loaded."""
        found: list[str] = []
        for batch, items in zip(self.micros, self.items, strict=True):
            names = list(getattr(batch, "ids", ())) or [f"item {i}" for i in items]
            held = [getattr(batch, f.name) for f in fields(batch)] if is_dataclass(batch) else [batch]
            rows = torch.zeros(len(names), dtype=torch.bool)
            for tensor in held:
                if torch.is_tensor(tensor) and tensor.is_floating_point() and tensor.dim() and len(tensor) == len(names):
                    rows |= ~tensor.isfinite().reshape(len(names), -1).all(1).cpu() if tensor.numel() else False
            found += [name for name, bad in zip(names, rows.tolist()) if bad]
        return found


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
        self.bad_steps, self.where = 0, ""

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

    def keep(self, step: int, player: str, reason: str, bad: BadBatch) -> None:
        """Write this process's part of the batch beside what is known of it, for inspection; all processes must call."""
        terms, utts = bad.terms(), bad.not_finite()
        self.where = _blame(gather_objects((sorted(n for n, v in terms.items() if not math.isfinite(v)), utts)))
        told = f"{reason} ({self.where})" if self.where else reason
        path = self.folder / f"step{step}_{player}_rank{self.rank}.pt"
        if not path.exists() and len(list(self.folder.glob(f"*_rank{self.rank}.pt"))) >= KEPT:
            log.warning("step %d is left out: %s; %s holds %d batches already, this one is not kept",
                        step, told, self.folder, KEPT)  # fmt: skip
            return
        known = {"step": step, "player": player, "reason": reason, "where": self.where, "rank": self.rank, "not_finite": utts}
        known |= {"terms": _words(terms), "terms_of_all": _words(bad.values)}
        save_checkpoint(path, {**known, "batches": [_plain(batch) for batch in bad.micros]})
        with atomic_write(path.with_suffix(".json")) as out:
            ids = [list(getattr(batch, "ids", ())) for batch in bad.micros]
            out.write(json.dumps({**known, "ids": ids}, indent=1) + "\n")
        log.warning("step %d is left out: %s; its batch is kept as %s", step, told, path)

    def count(self, step: int, finite: bool, values: Mapping[str, float]) -> None:
        """Count steps in a row that were not finite.

        Raises:
            TrainingError: there were too many.
        """
        self.bad_steps = 0 if finite else self.bad_steps + 1
        if self.bad_steps >= self.config.max_bad_steps:
            raise TrainingError(
                f"{self.bad_steps} steps in a row up to step {step} had gradients that are not finite"
                f"{', the last in ' * bool(self.where)}{self.where} (terms: {dict(values)})",
                fix=f"look at {self.folder}; lower optim.lr, or set train.precision=fp32 to see which term breaks first",
            )

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"bad_steps": self.bad_steps, "norms": {p: list(w) for p, w in self.norms.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.bad_steps = state["bad_steps"]
        self.norms = {p: deque(w, maxlen=WINDOW) for p, w in state["norms"].items()}


def _blame(found: Sequence[tuple[list[str], list[str]]]) -> str:
    """The processes that had something that is not finite: in what they loaded, if any had that, or else in their terms.

    Args:
        found: Terms and utterances that are not finite, of every process.
    """
    words = []
    loaded = any(utts for _, utts in found)
    for rank, (terms, utts) in enumerate(found):
        if utts if loaded else terms:
            what = f"{', '.join(terms) or 'no term'} not finite" + (f", loaded as not finite: {', '.join(utts)}" if utts else "")
            words.append(f"process {rank} of {len(found)}: {what}")
    return "; ".join(words)


def _words(values: Mapping[str, float]) -> dict[str, str]:
    return {name: repr(value) for name, value in values.items()}


def _plain(batch: Any) -> Any:
    """Tensors and words of a batch, which can be loaded without running code."""
    if torch.is_tensor(batch):
        return batch.detach().cpu()
    if is_dataclass(batch):
        return {f.name: _plain(getattr(batch, f.name)) for f in fields(batch)}
    return list(batch) if isinstance(batch, tuple) else batch
