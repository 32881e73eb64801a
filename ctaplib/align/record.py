"""The record of an aligner's training: figures of every phase on one axis of steps, and the path through utterances."""

import time
from collections.abc import Sequence

import numpy as np

from ctaplib.align.aligner import Aligner
from ctaplib.align.bootstrap import Graph
from ctaplib.align.show import show_path
from ctaplib.curves import save_curves
from ctaplib.runlog import RunLog
from ctaplib.shown import Allowance, draw

EVERY_STEPS = 20
"""Steps of the network from one record to the next."""
LOOKED_AT = 2
"""Utterances that are drawn."""
MOST_PCT = 1.0
"""Share of the time that pictures may take; those of the end are always drawn."""


class AlignRecord:
    """What is told of training. A re-estimation of the mixtures is one step, and so is each of the network behind them.

    Args:
        record: Where it goes.
        iterations: Re-estimations of the mixtures.
    """

    def __init__(self, record: RunLog, iterations: int) -> None:
        self.record, self.iterations = record, iterations
        self.allowance = Allowance(MOST_PCT)
        self._losses: list[float] = []
        self._newest: dict[str, float] = {}
        self._batch_s = 0.0
        self._began = self._since = time.perf_counter()

    def mixtures(self, iteration: int, log_likelihood: float) -> None:
        """The mean log-likelihood of a frame under the mixtures before re-estimation `iteration`, counted from 0."""
        self.record.scalars(iteration + 1, {"log_likelihood": log_likelihood}, "mixtures")

    def begin_pass(self, batch_s: float) -> None:
        """A pass over the training data begins; `batch_s` is the audio of a step."""
        self._batch_s, self._began = batch_s, time.perf_counter()
        self._losses, self._since = [], self._began

    def step(self, step: int, loss: float, lr: float, grad_norm: float) -> None:
        """One step of the network, counted from 1; every so many of them make one record."""
        self._losses.append(loss)
        self._newest = {"lr": lr, "grad_norm/network": grad_norm}
        if step % EVERY_STEPS == 0:
            self._tell(step)

    def _tell(self, step: int) -> None:
        count, now = len(self._losses), time.perf_counter()
        seconds = max(now - self._since, 1e-9)
        values = {"loss": sum(self._losses) / count, **self._newest}
        values |= {"step_s": seconds / count, "audio_h_per_h": count * self._batch_s / seconds}
        self.record.scalars(self.iterations + step, values, "train")
        self._losses, self._since = [], now

    def end_of_pass(self, step: int, index: int, loss: float, steps: int) -> None:
        """A pass of so many steps ends behind step `step`, with its mean loss."""
        if self._losses:
            self._tell(step)
        seconds = max(time.perf_counter() - self._began, 1e-9)
        values = {"epoch": float(index), "steps": float(steps), "loss": loss, "seconds": seconds}
        self.record.scalars(self.iterations + step, values | {"audio_h_per_h": steps * self._batch_s / seconds}, "epoch")

    def finish(self) -> None:
        """Draw the curves of the run, where time allows."""
        if self.allowance.covers("curves"):
            save_curves(self.record.exp)

    def look(
        self, step: int, aligner: Aligner, utterances: Sequence[tuple[str, Sequence[str], np.ndarray, Graph]], last: bool
    ) -> None:
        """Draw the path through some utterances, given as id, phones, log-mel and graph; the same ones every time."""
        if not (last or self.allowance.covers("look")):
            return
        with self.allowance.spend("look"):
            count = min(LOOKED_AT, len(utterances))
            for k in range(count):
                utt, phones, mel, graph = utterances[(2 * k + 1) * len(utterances) // (2 * count)]
                figure = draw(show_path(aligner, utt, phones, mel, graph))
                self.record.figure(f"looks/{utt.replace('/', '_')}", self.iterations + step, figure)
