"""The contract between the trainer and everything that is trained.

A task joins data, model and losses. It does not step optimizers, write files or talk to other ranks: that is the
trainer's part. A task is a module `ctaplib/tasks/<name>.py` that ends with `TASK = TheClass`.
"""

import abc
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from ctaplib.audio.settings import FeatureConfig
from ctaplib.data.dataset import SpeechSet
from ctaplib.errors import ConfigError
from ctaplib.files import make_folder
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantizer
from ctaplib.runs.panels import Preview
from ctaplib.tasks.settings import OptimConfig, TaskConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_PREVIEW_S = 6.0
"""Maximum length of utterances for previews, seconds, as far as there are enough of them."""


@dataclass(frozen=True)
class BatchStats:
    """Batch statistics: utterances or segments, their frames, frames with padding, and the seconds of a frame."""

    items: int
    frames: int
    padded: int
    hop_s: float

    @property
    def audio_s(self) -> float:
        """Seconds without padding."""
        return self.frames * self.hop_s


@dataclass(frozen=True)
class TaskPaths:
    """Folders of a task's data and of its run, and the names of its sets."""

    data: Path
    dump: Path
    exp: Path
    train_set: str
    valid_set: str
    speech_only_set: str | None = None
    init: Mapping[str, Path] = field(default_factory=dict)


class Task(abc.ABC):
    """Base of all tasks.

    Attributes:
        optimizers: Names of its optimizers; a GAN has ("discriminator", "generator").
        inits: Names that `--init NAME=RUN` may give.
        metrics: Names of the validation metrics, if they are known before the first validation.
        features: Settings of the features, where it has any.
        model: All parameters and buffers; its state is saved.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]]
    optimizers: tuple[str, ...] = ("model",)
    inits: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    features: FeatureConfig | None = None
    model: torch.nn.Module

    def __init__(self, config: TaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        if unknown := sorted(set(paths.init) - set(self.inits)):
            expected = f"one of {', '.join(self.inits)}" if self.inits else "none: this task starts from random weights"
            raise ConfigError(f"--init names {', '.join(unknown)}", expected=expected)
        self.config, self.paths, self.training = config, paths, training
        torch.manual_seed(config.seed)  # for the initial weights

    @property
    def frame_s(self) -> float:
        """Seconds of a feature frame, for messages; 0.01 for a task without features."""
        return 0.01 if self.features is None else self.features.hop_s

    @abc.abstractmethod
    def train_plan(self, epoch: int) -> list[list[int]]:
        """Plan the global batches of item indices of one epoch."""

    @abc.abstractmethod
    def valid_plan(self) -> list[list[int]]:
        """Plan the batches of the validation set."""

    @abc.abstractmethod
    def load(self, split: str, items: Sequence[int], step: int) -> Any:
        """Make a batch; every random draw is keyed by (seed, step, item)."""

    def shared(self, batch: Any, step: int) -> Any:
        """Return what `losses` of every update takes: the batch, or that with a forward pass that several updates need.

        It is computed before the first update, on parameters that no update may change before the one that takes its gradient;
        others detach it. In micro-batches it is computed again for every update, from the same draws, to spare memory.
        """
        return batch

    @abc.abstractmethod
    def losses(self, batch: Any, step: int, optimizer: str) -> dict[str, Term]:
        """Compute the terms of the loss of an update, on this rank's part of a batch as `shared` returned it."""

    @abc.abstractmethod
    def weights(self, step: int, optimizer: str) -> dict[str, float]:
        """Return the weight of each term; the names must be those of `losses`, and no other optimizer's."""

    @abc.abstractmethod
    def evaluate(self, batch: Any) -> dict[str, Term]:
        """Compute the validation metrics of one batch."""

    def items(self) -> dict[str, dict[str, int]]:
        """Return the frames of every training utterance, by set; a resumed run must find the same."""
        return {}

    def item_frames(self, items: Sequence[int]) -> list[int]:
        """Return the frames that each training item takes in a batch, to weigh micro-batches by; 100 unless overridden."""
        return [100 for _ in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        """Return the names of training items for error messages; their numbers unless overridden."""
        return [f"item {i}" for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        """Return the frames that each item of the validation set takes in a batch; 100 unless overridden."""
        return [100 for _ in items]

    def trial_step(self) -> int:
        """Return the step that the memory trial runs; the last unless overridden."""
        return self.config.train.max_steps

    def updates(self, step: int) -> Sequence[str]:
        """Return the optimizers in the order in which they update in a step; one may come several times, or not at all."""
        return self.optimizers

    def optim(self, optimizer: str) -> OptimConfig:
        """Return the settings of an optimizer; `optim` of the config unless overridden."""
        return self.config.optim

    def optimizer_parameters(self, optimizer: str) -> Iterable[torch.nn.Parameter]:
        """Return the parameters that an optimizer updates; all that are trained unless overridden."""
        return (p for p in self.model.parameters() if p.requires_grad)

    def before_training(self, step: int) -> None:
        """Prepare for training; called once, before the first step after a start or a resume."""

    def after_step(self, step: int) -> None:
        """Update what has no gradient, such as code books."""

    def discard_pending(self) -> None:
        """Discard what layers keep for `after_step`, after a step that is skipped, or a trial."""
        for module in self.model.modules():
            if isinstance(module, Quantizer):
                module.discard_pending()

    def overall(self, values: Mapping[str, float]) -> dict[str, float]:
        """Compute metrics from those of the whole validation set."""
        return {}

    def after_validation(self, step: int) -> dict[str, float]:
        """Return further metrics gathered since the last validation, such as code-book use; may raise to stop the run."""
        return {}

    def figures(self) -> dict[str, "Figure"]:
        """Draw pictures for the record, after a validation."""
        return {}

    def preview_items(self, count: int) -> list[int]:
        """Choose the validation items to preview, always the same."""
        items = sorted(i for batch in self.valid_plan() for i in batch)
        return sorted({items[k * len(items) // count] for k in range(count)})

    def previews(self, batch: Any) -> Sequence[Preview]:
        """Make the preview of every item of a validation batch. The model is in evaluation mode; nothing may be random."""
        return ()

    def batch_stats(self, batch: Any) -> BatchStats | None:
        """Count the audio in a training batch; None where the task does not count it."""
        return None

    def assets(self) -> dict[str, Path]:
        """Return the files without which the model cannot be rebuilt: name in the run's folder -> file to copy there."""
        return {}


class SetTask(Task):
    """Base of tasks on the utterances of a training and a validation set."""

    features: FeatureConfig
    train: SpeechSet
    valid: SpeechSet

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Read mean and standard deviation of every mel band over the training set."""
        with np.load(self.paths.dump / "stats.npz") as stats:
            return stats["mean"], stats["std"]

    def items(self) -> dict[str, dict[str, int]]:
        return {self.train.name: dict(zip(self.train.utts, self.train.lengths))}

    def item_frames(self, items: Sequence[int]) -> list[int]:
        return [self.train.lengths[i] for i in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        return [self.train.utts[i] for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        return [self.valid.lengths[i] for i in items]

    def preview_items(self, count: int) -> list[int]:
        """Choose utterances evenly spread over the short ones, or over all where those are too few."""
        lengths = self.valid.lengths
        short = [i for i, n in enumerate(lengths) if n <= round(LONGEST_PREVIEW_S / self.features.hop_s)]
        usable = short if len(short) >= count else list(range(len(lengths)))
        count = min(count, len(usable))
        return sorted({usable[(2 * k + 1) * len(usable) // (2 * count)] for k in range(count)})

    def batch_stats(self, batch: Any) -> BatchStats:
        return BatchStats(len(batch.mel), batch.frames, batch.mel.shape[0] * batch.mel.shape[1], self.features.hop_s)


def save_assets(task: Task) -> None:
    """Copy the task's assets into its run's folder."""
    make_folder(task.paths.exp)
    for name, source in task.assets().items():
        target = task.paths.exp / name
        if source.resolve() != target.resolve():
            shutil.copyfile(source, target)
