"""Previews: pictures and audio of a few validation utterances while a model trains."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch

from ctaplib.models.griffin_lim import GriffinLim
from ctaplib.runs.curves import save_curves
from ctaplib.runs.log import RunLog, get_logger
from ctaplib.runs.panels import Allowance, Preview, draw
from ctaplib.tasks.base import Task
from ctaplib.train.batches import Load

log = get_logger(__name__)


class Previewer:
    """Previews the same utterances after validations. Draws no random number and leaves the model as it was.

    Previews and curves stay within `preview.most_pct` of the time; the last preview is always made.
    """

    def __init__(self, task: Task, record: RunLog, load: Load) -> None:
        self.task, self.record, self.load = task, record, load
        self.allowance = Allowance(task.config.preview.most_pct)
        self.made = 0
        self._vocoder: GriffinLim | None = None

    def preview(self, step: int, precision: AbstractContextManager[object]) -> None:
        """Preview after the validation of a step, if it is due. One that fails is a warning: it is not worth a run."""
        train, config = self.task.config.train, self.task.config.preview
        due = step // train.valid_every_steps % config.every == 0 and self.allowance.covers("preview")
        if config.utts == 0 or not (due or step == train.max_steps):
            return
        try:
            with self.allowance.spend("preview"):
                with unchanged(self.task.model), torch.no_grad(), precision:
                    previews = self.task.previews(self.load("valid", self.task.preview_items(config.utts), 0))
                for preview in previews:
                    self._write(preview, step)
            self.made += 1
            if self.allowance.covers("curves"):
                with self.allowance.spend("curves"):
                    save_curves(self.record.exp)
        except Exception as error:
            log.warning("step %d: the preview failed: %r", step, error)

    def _write(self, preview: Preview, step: int) -> None:
        name = preview.utt.replace("/", "_")
        self.record.figure(f"previews/{name}", step, draw(preview))
        features = self.task.features
        if features is None or not self.task.config.preview.sounds:
            return
        waves = {kind: wave for kind, wave in preview.waves.items() if kind != "original" or self.made == 0}
        if preview.rebuilt:
            if self._vocoder is None:
                self._vocoder = GriffinLim(features, inverse_steps=15, iterations=16, quiet=True)
            made = self._vocoder.generate([torch.from_numpy(preview.mels[kind]) for kind in preview.rebuilt])
            waves |= {f"{kind} (Griffin-Lim)": wave.numpy() for kind, wave in zip(preview.rebuilt, made)}
        for kind, wave in waves.items():
            self.record.sound(f"{name}/{kind}", step, np.clip(wave, -1, 1), features.rate_hz)


@contextmanager
def unchanged(model: torch.nn.Module) -> Iterator[None]:
    """Evaluate a model within, and restore the mode of every module and the random states after it."""
    modes = {module: module.training for module in model.modules()}
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
