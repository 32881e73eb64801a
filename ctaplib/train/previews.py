"""Looks at what a model makes of a few validation utterances: pictures and sounds for the record."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch

from ctaplib.models.griffin_lim import GriffinLim, GriffinLimConfig
from ctaplib.runs.curves import save_curves
from ctaplib.runs.log import RunLog, get_logger
from ctaplib.runs.panels import Allowance, Preview, draw
from ctaplib.tasks.base import Task
from ctaplib.train.batches import Load

log = get_logger(__name__)

EFFORT = GriffinLimConfig(inverse_steps=15, iterations=16)


class Previewer:
    """Shows the same utterances after validations. Draws no random number and leaves the model as it was.

    Looks, and curves beside them, stay within `preview.most_pct` of the time; the last look is always taken.

    Args:
        task: What is trained.
        record: Where pictures and sounds go.
        load: Makes a batch where the model is, of set, items and step.
    """

    def __init__(self, task: Task, record: RunLog, load: Load) -> None:
        self.task, self.record, self.load = task, record, load
        self.allowance = Allowance(task.config.preview.most_pct)
        self.looks = 0
        self._vocoder: GriffinLim | None = None

    def look(self, step: int, precision: AbstractContextManager[object]) -> None:
        """Show what the model makes of the utterances now, where it is time to.

        A picture that cannot be made is told as a warning: it is not worth a run.

        Args:
            step: Steps done; a validation was just made.
            precision: Context in which the model computes.
        """
        train, preview = self.task.config.train, self.task.config.preview
        turn = step // train.valid_every_steps % preview.every == 0 and self.allowance.covers("look")
        if preview.utts == 0 or not (turn or step == train.max_steps):
            return
        try:
            with self.allowance.spend("look"):
                for shown in self._shown(precision):
                    self._write(shown, step)
            self.looks += 1
            if self.allowance.covers("curves"):
                with self.allowance.spend("curves"):
                    save_curves(self.record.exp)
        except Exception as error:
            log.warning("step %d: what the model makes of its utterances is not shown: %r", step, error)

    def _shown(self, precision: AbstractContextManager[object]) -> Sequence[Preview]:
        with unchanged(self.task.model), torch.no_grad(), precision:
            return self.task.previews(self.load("valid", self.task.preview_items(self.task.config.preview.utts), 0))

    def _write(self, shown: Preview, step: int) -> None:
        name = shown.utt.replace("/", "_")
        self.record.figure(f"previews/{name}", step, draw(shown))
        if not self.task.config.preview.sounds:
            return
        rate_hz = self.task.features.rate_hz if shown.waves or shown.rebuilt else 0  # type: ignore[attr-defined]
        for kind, wave in shown.waves.items():
            if kind != "original" or self.looks == 0:
                self.record.sound(f"{name}/{kind}", step, np.clip(wave, -1, 1), rate_hz)
        if not shown.rebuilt:
            return
        if self._vocoder is None:
            self._vocoder = GriffinLim(self.task.features, EFFORT, quiet=True)  # type: ignore[attr-defined]
        made = self._vocoder.generate([torch.from_numpy(shown.mels[kind]) for kind in shown.rebuilt])
        for kind, sound in zip(shown.rebuilt, made):
            self.record.sound(f"{name}/{kind} (Griffin-Lim)", step, sound.clamp(-1, 1).numpy(), rate_hz)


@contextmanager
def unchanged(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode within; every module's mode and the random states are restored behind it."""
    modes = {module: module.training for module in model.modules()}
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
