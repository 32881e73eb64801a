"""Means of what the steps between two records gave, with their speed."""

import time
from collections.abc import Mapping


class Meter:
    """Means of what the steps since the last record gave."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}
        self.waited = self.audio = 0.0
        self.started, self.steps = time.perf_counter(), 0

    def add(self, values: Mapping[str, float], waited_s: float, audio_s: float) -> None:
        """Take one step in."""
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
