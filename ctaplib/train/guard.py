"""Updates that are skipped: their gradient is not finite, or far larger than those before. Their batches are kept.

A skipped update changes no weight. The norm of every update enters the window, so that a new level of the gradients, as when a
term of the loss sets in, is normal after half a window.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ctaplib.checkpoint import save_checkpoint
from ctaplib.collective import gather_objects
from ctaplib.errors import TrainingError
from ctaplib.files import write_json
from ctaplib.runs.log import get_logger
from ctaplib.tasks.settings import TrainConfig
from ctaplib.tensors import map_tensors
from ctaplib.train.accumulate import Accumulator
from ctaplib.train.batches import LocalBatch

WINDOW = 100
FIRST_LOOK = 50  # norms in the window from which one can be called too large
KEPT = 8  # most bad batches that are kept; the first are the ones worth inspecting
log = get_logger("ctaplib.train")


class Guard:
    """Check of every gradient norm; keeps bad batches in `bad_batches/` of the run, and stops a run that does not recover."""

    def __init__(self, config: TrainConfig, exp: Path, rank: int) -> None:
        self.config, self.folder, self.rank = config, exp / "bad_batches", rank
        self.norms: dict[str, deque[float]] = {}
        self.bad_steps, self.where = 0, ""

    def fault(self, optimizer: str, norm: float) -> str:
        """Return why an update with this gradient norm must be skipped; empty where it need not."""
        window = self.norms.setdefault(optimizer, deque(maxlen=WINDOW))
        if not math.isfinite(norm):
            return "its gradient is not finite"
        usual = median(window) if len(window) >= FIRST_LOOK else 0.0
        window.append(norm)
        if self.config.spike_factor and usual and norm > self.config.spike_factor * usual:
            return (
                f"its gradient norm {norm:.4g} is {norm / usual:.0f} times the median {usual:.4g} of the {len(window) - 1} before"
            )
        return ""

    def keep(self, local: LocalBatch, optimizer: str, reason: str, passes: Accumulator, values: Mapping[str, float]) -> None:
        """Write the local batch, its terms and those of the global batch (`values`) for inspection; all ranks must call."""
        step, micros = local.step, [_plain(batch) for batch in passes.micros]
        named = [plain.get("ids") if isinstance(plain, dict) else None for plain in micros]
        ids = [names or [f"item {i}" for i in items] for names, items in zip(named, local.micros, strict=True)]
        utts = [utt for plain, names in zip(micros, ids, strict=True) for utt in _not_finite(plain, names)]
        own = {name: torch.stack([pairs[name] for pairs in passes.own]).sum(0) for name in passes.own[0]}
        terms = {name: float(pair[0] / pair[1].clamp_min(1.0)) for name, pair in own.items()}
        self.where = _blame(gather_objects((sorted(n for n, v in terms.items() if not math.isfinite(v)), utts)))
        because = f"{reason} ({self.where})" if self.where else reason
        path = self.folder / f"step{step}_{optimizer}_rank{self.rank}.pt"
        if not path.exists() and len(list(self.folder.glob(f"*_rank{self.rank}.pt"))) >= KEPT:
            log.warning("step %d is skipped: %s; %s has %d batches already, this one is not kept",
                        step, because, self.folder, KEPT)  # fmt: skip
            return
        record = {
            "step": step,
            "optimizer": optimizer,
            "reason": reason,
            "where": self.where,
            "rank": self.rank,
            "terms": {term: repr(value) for term, value in terms.items()},
            "terms_of_all": {term: repr(value) for term, value in values.items()},
            "not_finite": utts,
        }
        save_checkpoint(path, {**record, "batches": micros})
        write_json(path.with_suffix(".json"), {**record, "ids": ids})
        log.warning("step %d is skipped: %s; its batch is kept as %s", step, because, path)

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
        """Return the state for a checkpoint."""
        return {"bad_steps": self.bad_steps, "norms": {name: list(window) for name, window in self.norms.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.bad_steps = state["bad_steps"]
        self.norms = {name: deque(window, maxlen=WINDOW) for name, window in state["norms"].items()}


def _blame(faults: Sequence[tuple[list[str], list[str]]]) -> str:
    """Name the ranks that loaded utterances that are not finite, or where none did, those with terms that are not finite."""
    words = []
    loaded = any(utts for _, utts in faults)
    for rank, (terms, utts) in enumerate(faults):
        if utts if loaded else terms:
            what = f"{', '.join(terms) or 'no term'} not finite" + (f", loaded as not finite: {', '.join(utts)}" if utts else "")
            words.append(f"process {rank} of {len(faults)}: {what}")
    return "; ".join(words)


def _plain(batch: Any) -> Any:
    """Return the tensors and words of a batch in types that a checkpoint can be loaded with, without running code."""
    if torch.is_tensor(batch):
        return batch.detach().cpu()
    if is_dataclass(batch):
        return {f.name: _plain(getattr(batch, f.name)) for f in fields(batch)}
    if isinstance(batch, Mapping):
        return {name: _plain(value) for name, value in batch.items()}
    return list(batch) if isinstance(batch, tuple) else batch


def _not_finite(plain: Any, ids: Sequence[str]) -> list[str]:
    """List the items with values that are not finite in what was loaded."""
    rows = torch.zeros(len(ids), dtype=torch.bool)

    def check(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point() and tensor.dim() and len(tensor) == len(ids) and tensor.numel():
            rows.logical_or_(~tensor.isfinite().reshape(len(ids), -1).all(1))
        return tensor

    map_tensors(plain, check)
    return [name for name, bad in zip(ids, rows.tolist()) if bad]
