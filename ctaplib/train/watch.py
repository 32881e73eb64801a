"""Looks at what a model makes of a few validation utterances: pictures and sounds for the record."""

from contextlib import AbstractContextManager

import numpy as np
import torch

from ctaplib.infer.griffin_lim import GriffinLim, GriffinLimConfig
from ctaplib.runlog import RunLog, get_logger
from ctaplib.shown import Shown, draw
from ctaplib.tasks.base import Task

log = get_logger(__name__)

EFFORT = GriffinLimConfig(inverse_steps=15, iterations=16)


class Watcher:
    """Shows the same utterances after validations. Draws no random number and leaves the model as it was.

    Args:
        task: What is trained.
        record: Where pictures and sounds go.
        device: Where the model is.
    """

    def __init__(self, task: Task, record: RunLog, device: torch.device) -> None:
        self.task, self.record, self.device = task, record, device
        self.looks = 0
        self._vocoder: GriffinLim | None = None

    def due(self, step: int) -> bool:
        """Whether the validation of this step is followed by a look."""
        train, watch = self.task.config.train, self.task.config.watch
        return watch.utts > 0 and (step == train.max_steps or step // train.valid_every_steps % watch.every == 0)

    def look(self, step: int, precision: AbstractContextManager[object]) -> None:
        """Show what the model makes of the utterances now.

        A picture that cannot be drawn is told as a warning: it is not worth a run.

        Args:
            step: Steps done.
            precision: Context in which the model computes.
        """
        try:
            with unchanged(self.task.model, self.device), torch.no_grad():
                items = self.task.look_items(self.task.config.watch.utts)
                batch = self.task.load("valid", items, 0)
                with precision:
                    shown = self.task.show(batch.to(self.device) if hasattr(batch, "to") else batch)
                for one in shown:
                    self._write(one, step)
        except Exception as error:
            log.warning("step %d: what the model makes of its utterances is not shown: %r", step, error)
        self.looks += 1

    def _write(self, shown: Shown, step: int) -> None:
        name = shown.utt.replace("/", "_")
        self.record.figure(f"looks/{name}", step, draw(shown))
        if not self.task.config.watch.sounds:
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
        for kind, wave in zip(shown.rebuilt, made):
            self.record.sound(f"{name}/{kind} (Griffin-Lim)", step, wave.clamp(-1, 1).numpy(), rate_hz)


class unchanged:  # noqa: N801 - reads as a word of the `with` statement
    """Put the model in evaluation mode and restore every module's mode and the random states behind it."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self.model = model
        self._states = torch.random.fork_rng([device] if device.type == "cuda" else [])

    def __enter__(self) -> None:
        self.modes = {module: module.training for module in self.model.modules()}
        self._states.__enter__()
        self.model.eval()

    def __exit__(self, *details: object) -> None:
        for module, mode in self.modes.items():
            module.training = mode
        self._states.__exit__(*details)  # type: ignore[arg-type]
