"""Means of what the steps between two records gave, with their speed; and the account of an epoch."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ctaplib.tasks.base import BatchStats, Task
from ctaplib.train.distributed import World


class Meter:
    """Means of what the steps since the last record gave."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}
        self.waited = self.audio = 0.0
        self.started, self.steps = time.perf_counter(), 0

    def add(self, values: Mapping[str, float], waited_s: float, audio_s: float) -> None:
        """Take one step in; `audio_s` is the audio of all processes."""
        self.steps += 1
        self.waited += waited_s
        self.audio += audio_s
        for name, value in values.items():
            self.sums.setdefault(name, []).append(value)

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return (time.perf_counter() - self.started) / max(1, self.steps)

    def values(self) -> dict[str, float]:
        """Means, seconds of a step, share of time waited for data, hours of audio an hour."""
        spent = max(time.perf_counter() - self.started, 1e-9)
        means = {n: sum(v) / len(v) for n, v in self.sums.items()}
        return means | {
            "step_s": spent / max(1, self.steps),
            "data_wait_pct": 100 * self.waited / spent,
            "audio_h_per_h": self.audio / spent,
        }


def total_stats(task: Task, batches: Iterable[Any]) -> BatchStats | None:
    """How much audio the batches of one step hold; None where the task does not count it."""
    found = [extent for batch in batches if (extent := task.batch_stats(batch)) is not None]
    if not found:
        return None
    return BatchStats(sum(e.items for e in found), sum(e.frames for e in found), sum(e.padded for e in found), found[0].hop_s)


class EpochTally:
    """What the steps of an epoch took in, over all processes; kept in checkpoints, so that a resumed epoch is told whole.

    Validation and saving do not count as time of the epoch: call `skip` behind them.

    Args:
        kept: `joined` of the run that is resumed. The main process takes it over, others begin with nothing.
        is_main: Whether this is the main process.
    """

    NAMES = ("steps", "items", "frames", "padded_frames", "audio_s", "seconds", "waited_s")

    def __init__(self, kept: Mapping[str, float], is_main: bool) -> None:
        self.sums = dict.fromkeys(self.NAMES, 0.0)
        if is_main:
            self.sums |= {n: v for n, v in kept.items() if n in self.sums}
        self.is_main, self.mark = is_main, time.perf_counter()

    def add(self, extent: BatchStats | None, waited_s: float) -> None:
        """Take in the batch of the step that is done."""
        now = time.perf_counter()
        sums = self.sums
        if self.is_main:  # the processes go in step: the main one's clock is that of all
            sums["steps"] += 1
            sums["seconds"] += now - self.mark
            sums["waited_s"] += waited_s
        if extent is not None:
            sums["items"] += extent.items
            sums["frames"] += extent.frames
            sums["padded_frames"] += extent.padded
            sums["audio_s"] += extent.audio_s
        self.mark = now

    def skip(self) -> None:
        """Leave out the time since the last step."""
        self.mark = time.perf_counter()

    def join(self, world: World) -> dict[str, float]:
        """Bring the sums of all processes to the main one, where they stay; every process must call it."""
        total = world.sum(torch.tensor([self.sums[n] for n in self.NAMES], dtype=torch.float64).to(world.device)).cpu()
        self.sums = dict(zip(self.NAMES, total.tolist())) if self.is_main else dict.fromkeys(self.NAMES, 0.0)
        return dict(self.sums)

    def close(self, world: World, epoch: int) -> dict[str, float]:
        """The record of the epoch, and a fresh account of the next one; every process must call it.

        Returns:
            Steps, seconds, percent of it waited for data; where the task counts audio, items, frames, percent of
            padding and hours of audio (without padding) an hour.
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
