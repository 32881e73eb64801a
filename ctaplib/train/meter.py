"""Training statistics: means over the steps between two records, and sums over an epoch."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ctaplib.tasks.base import BatchStats, Task
from ctaplib.train.distributed import World


class Meter:
    """Means over the steps since the last record."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}
        self.waited_s = self.audio_s = 0.0
        self.started, self.steps = time.perf_counter(), 0

    def add(self, values: Mapping[str, float], waited_s: float, audio_s: float) -> None:
        """Add a step; `audio_s` is the audio of all ranks."""
        self.steps += 1
        self.waited_s += waited_s
        self.audio_s += audio_s
        for name, value in values.items():
            self.sums.setdefault(name, []).append(value)

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return (time.perf_counter() - self.started) / max(1, self.steps)

    def values(self) -> dict[str, float]:
        """Return the means, seconds of a step, percent of the time waited for data, hours of audio an hour."""
        seconds = max(time.perf_counter() - self.started, 1e-9)
        return {n: sum(v) / len(v) for n, v in self.sums.items()} | {
            "step_s": seconds / max(1, self.steps),
            "data_wait_pct": 100 * self.waited_s / seconds,
            "audio_h_per_h": self.audio_s / seconds,
        }


def total_stats(task: Task, batches: Iterable[Any]) -> BatchStats | None:
    """Add up the statistics of the micro-batches of a step; None where the task has none."""
    found = [stats for batch in batches if (stats := task.batch_stats(batch)) is not None]
    if not found:
        return None
    return BatchStats(sum(s.items for s in found), sum(s.frames for s in found), sum(s.padded for s in found), found[0].hop_s)


class EpochTally:
    """Sums over the steps of an epoch and all ranks; saved in checkpoints, so that a resumed epoch is recorded whole.

    The time of validations and checkpoints does not count: call `skip` after them. The main rank of a resumed run continues from
    `kept`, what `join` returned before; others from nothing.
    """

    NAMES = ("steps", "items", "frames", "padded_frames", "audio_s", "seconds", "waited_s")

    def __init__(self, kept: Mapping[str, float], is_main: bool) -> None:
        self.sums = {n: kept.get(n, 0.0) if is_main else 0.0 for n in self.NAMES}
        self.is_main, self.mark = is_main, time.perf_counter()

    def add(self, stats: BatchStats | None, waited_s: float) -> None:
        """Add the step that is done."""
        before, self.mark = self.mark, time.perf_counter()
        added: dict[str, float] = {}
        if self.is_main:  # ranks go in step: the clock of the main one is that of all
            added = {"steps": 1, "seconds": self.mark - before, "waited_s": waited_s}
        if stats is not None:
            added |= {"items": stats.items, "frames": stats.frames, "padded_frames": stats.padded, "audio_s": stats.audio_s}
        for name, value in added.items():
            self.sums[name] += value

    def skip(self) -> None:
        """Do not count the time since the last step."""
        self.mark = time.perf_counter()

    def join(self, world: World) -> dict[str, float]:
        """Move the sums of all ranks to the main one, and return them; every rank must call it."""
        total = world.sum(torch.tensor([self.sums[n] for n in self.NAMES], dtype=torch.float64).to(world.device)).cpu()
        self.sums = dict(zip(self.NAMES, total.tolist())) if self.is_main else dict.fromkeys(self.NAMES, 0.0)
        return dict(self.sums)

    def close(self, world: World, epoch: int) -> dict[str, float]:
        """Return the record of the epoch, and begin the next one; every rank must call it.

        Returns:
            Steps, seconds, percent of them waited for data; where the task counts audio, items, frames, percent of padding and
            hours of audio (without padding) an hour.
        """
        found = self.join(world)
        self.sums = dict.fromkeys(self.NAMES, 0.0)
        seconds = max(found["seconds"], 1e-9)
        record = {"epoch": float(epoch), "steps": found["steps"], "seconds": found["seconds"]}
        record["data_wait_pct"] = 100 * found["waited_s"] / seconds
        if found["padded_frames"]:
            record |= {"items": found["items"], "frames": found["frames"]}
            record["padding_pct"] = 100 * (1 - found["frames"] / found["padded_frames"])
            record["audio_h_per_h"] = found["audio_s"] / seconds
        return record
