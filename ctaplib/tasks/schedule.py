"""Weights of the terms of a loss, piecewise linear in the progress of training (the paper's stepping strategy).

Source: VQ-CTAP (arXiv 2408.05758), abstract: "gradually injecting and adjusting the influence of various loss
components". Its steps and weights are not published; the points below are our choice and settings.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import field_validator

from ctaplib.config import Config

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Ramp(Config):
    """The weight of one term."""

    points: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    """Pairs (progress from 0 to 1, weight); constant before the first and after the last."""

    @field_validator("points")
    @classmethod
    def _ordered(cls, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        at = [p for p, _ in points]
        if not points or at != sorted(at) or at[0] < 0 or at[-1] > 1:
            raise ValueError("points need progress from 0 to 1, in ascending order")
        return points

    def __call__(self, progress: float) -> float:
        """Compute the weight at a progress from 0 to 1."""
        at, weights = zip(*self.points)
        return float(np.interp(progress, at, weights))


def constant(weight: float) -> Ramp:
    """Return a ramp that never changes."""
    return Ramp(points=((0.0, weight),))


class Schedule(Config):
    """Weight of every term of a loss: a subclass has a field of type `Ramp` for each term, whose default may be `constant(0)`."""

    def ramps(self) -> dict[str, Ramp]:
        """Return the ramp of every term, in the order of the fields."""
        return {term: getattr(self, term) for term in type(self).model_fields}

    def weights(self, progress: float) -> dict[str, float]:
        """Compute the weight of every term at a progress from 0 to 1."""
        return {term: ramp(progress) for term, ramp in self.ramps().items()}


def draw_schedule(schedule: Schedule, max_steps: int) -> "Figure":
    """Plot all weights over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    progress = np.linspace(0, 1, 201)
    for name, ramp in schedule.ramps().items():
        axes.plot(progress * max_steps, [ramp(p) for p in progress], label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("weight")
    axes.set_yscale("symlog", linthresh=1e-4)
    axes.legend(fontsize=8)
    return figure
