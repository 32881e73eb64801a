"""What the trainer needs to know of anything that is trained.

A task joins data, model and losses. It does not step optimisers, write files or talk to other
processes: that is the trainer's part. A task lives in `ctaplib/tasks/<name>.py`, which ends with
`TASK = TheClass`.
"""

import abc
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ctaplib.errors import ConfigError
from ctaplib.files import make_folder
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantizer
from ctaplib.runs.panels import Preview
from ctaplib.tasks.settings import OptimConfig, TaskConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class BatchStats:
    """How much audio a batch holds.

    Attributes:
        items: Utterances or segments.
        frames: Frames without padding.
        padded: Frames with padding.
        hop_s: Seconds of a frame.
    """

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
    """Where a task finds its data and puts its run."""

    data: Path
    dump: Path
    exp: Path
    train_set: str
    valid_set: str
    speech_only_set: str | None = None
    init: Mapping[str, Path] = field(default_factory=dict)


class Task(abc.ABC):
    """Something that can be trained.

    Attributes:
        optimizers: Names of its optimizers; a GAN has ("discriminator", "generator").
        inits: Names that `--init` may give a trained run by.
        metrics: Names of validation metrics, where they are known before the first validation.
        assets: Files that the model cannot be rebuilt without; copied into the run's folder.
        model: All parameters and buffers; its state is what is saved.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]]
    optimizers: tuple[str, ...] = ("model",)
    inits: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()
    model: torch.nn.Module

    def __init__(self, config: TaskConfig, paths: TaskPaths, *, training: bool = True) -> None:
        unknown = sorted(set(paths.init) - set(self.inits))
        if unknown:
            expected = f"one of {', '.join(self.inits)}" if self.inits else "none: this task starts from nothing"
            raise ConfigError(f"--init names {', '.join(unknown)}", expected=expected)
        self.config, self.paths, self.training = config, paths, training
        torch.manual_seed(config.seed)  # of the first weights

    @abc.abstractmethod
    def train_plan(self, epoch: int) -> list[list[int]]:
        """Global batches of item indices of one epoch."""

    @abc.abstractmethod
    def valid_plan(self) -> list[list[int]]:
        """Batches of the validation set."""

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
        """Validation metrics of one batch."""

    def items(self) -> dict[str, dict[str, int]]:
        """Frames of every utterance that is trained on, by set; a run that goes on must find the same."""
        return {}

    def item_frames(self, items: Sequence[int]) -> list[int]:
        """Return the frames that each training item takes in a batch, to weigh micro-batches by; 100 unless overridden."""
        return [100 for _ in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        """What errors call each item of the training set; its number unless overridden."""
        return [f"item {i}" for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        """Return the frames that each item of the validation set takes in a batch; 100 unless overridden."""
        return [100 for _ in items]

    def trial_step(self) -> int:
        """Step whose forward and backward pass shows how much memory one takes; the last unless overridden."""
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
        """Once before the first step after a start."""

    def after_step(self, step: int) -> None:
        """What moves without gradients: code books."""

    def discard_pending(self) -> None:
        """Discard what layers keep for `after_step`, after a step that is skipped, or a trial."""
        for module in self.model.modules():
            if isinstance(module, Quantizer):
                module.discard_pending()

    def overall(self, values: Mapping[str, float]) -> dict[str, float]:
        """Metrics that follow from those of the whole validation set."""
        return {}

    def after_validation(self, step: int) -> dict[str, float]:
        """Figures gathered since the last validation (code-book use); may stop the run by raising."""
        return {}

    def figures(self) -> dict[str, "Figure"]:
        """Pictures for the record, drawn after a validation."""
        return {}

    def preview_items(self, count: int) -> list[int]:
        """Validation items that are looked at, always the same."""
        items = sorted(i for batch in self.valid_plan() for i in batch)
        return sorted({items[k * len(items) // count] for k in range(count)})

    def previews(self, batch: Any) -> Sequence[Preview]:
        """What is looked at of every item of a validation batch; the model is in evaluation mode, nothing may be drawn."""
        return ()

    def batch_stats(self, batch: Any) -> BatchStats | None:
        """How much audio a training batch holds, or None where the task does not count it."""
        return None

    def assets(self) -> dict[str, Path]:
        """Name in the run's folder -> file to copy there."""
        return {}


def save_assets(task: Task) -> None:
    """Copy the task's assets into its run's folder."""
    make_folder(task.paths.exp)
    for name, source in task.assets().items():
        target = task.paths.exp / name
        if source.resolve() != target.resolve():
            shutil.copyfile(source, target)
