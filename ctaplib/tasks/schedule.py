"""The stepping strategy: the weight of every term of the loss, piecewise linear in the progress of training.

Source: VQ-CTAP (arXiv 2408.05758), abstract: "gradually injecting and adjusting the influence of various loss
components". Its steps and weights are not published; the points below are our choice and settings.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import field_validator

from ctaplib.config import Config

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Ramp(Config):
    """One term's weight."""

    points: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    """Pairs (progress from 0 to 1, weight); constant before the first and behind the last."""

    @field_validator("points")
    @classmethod
    def _ordered(cls, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        at = [p for p, _ in points]
        if not points or at != sorted(at) or at[0] < 0 or at[-1] > 1:
            raise ValueError("points need progress between 0 and 1, in order")
        return points

    def __call__(self, progress: float) -> float:
        """Weight at a share of the training."""
        at, weights = zip(*self.points)
        return float(np.interp(progress, at, weights))


def constant(weight: float) -> Ramp:
    """A weight that never changes."""
    return Ramp(points=((0.0, weight),))


def draw_schedule(ramps: Mapping[str, Ramp], max_steps: int) -> "Figure":
    """Picture of all weights over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    progress = np.linspace(0, 1, 201)
    for name, ramp in ramps.items():
        axes.plot(progress * max_steps, [ramp(p) for p in progress], label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("weight")
    axes.set_yscale("symlog", linthresh=1e-4)
    axes.legend(fontsize=8)
    return figure
