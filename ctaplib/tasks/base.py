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
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from safetensors.torch import load_file
from torch import nn

from ctaplib.checkpoint import load_checkpoint, load_weights
from ctaplib.config import Config, load_config
from ctaplib.config_file import read_saved
from ctaplib.data.batching import BatchConfig
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.files import make_folder
from ctaplib.find import find
from ctaplib.losses.terms import Term
from ctaplib.nn.quantize import Quantizer
from ctaplib.runs.panels import Preview

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PACKED_WEIGHTS = "model.safetensors"
PACKED_CONFIG = "config.json"


Decay = Annotated[float, Field(ge=0, lt=1)]
Precision = Literal["fp32", "bf16", "fp16", "fp64", "auto"]
LrSchedule = Literal["constant", "linear", "cosine"]


class OptimConfig(Config):
    """AdamW and its schedule."""

    lr: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Peak learning rate."""
    lr_scale: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """Factor on the learning rate of the parameters whose name begins so, for example `word_head: 10`."""
    warmup_steps: int = Field(100, ge=0)
    """Steps of linear warm-up."""
    schedule: LrSchedule = "cosine"
    """After the warm-up: constant, linear or cosine, down to `final_lr` times the peak."""
    final_lr: float = Field(0.02, ge=0, le=1)
    """Learning rate at the last step, relative to the peak."""
    betas: tuple[Decay, Decay] = (0.9, 0.98)
    """AdamW's decay rates."""
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    """AdamW's weight decay, on matrices only."""
    grad_clip: float = Field(5.0, gt=0, allow_inf_nan=False)
    """Largest norm of the gradient over all parameters of an optimizer; a large number clips nothing."""
    ema_decay: Decay = 0.0
    """Decay of the moving average of the weights, of the whole model: the task's `optim` sets it; 0 keeps none."""


class TrainConfig(Config):
    """How long, how precisely, and how often to look and to save."""

    max_steps: int = Field(1000, ge=1)
    """Steps of training."""
    valid_every_steps: int = Field(250, ge=1)
    """Steps between validations."""
    save_every_steps: int = Field(100, ge=1)
    """Steps between checkpoints."""
    log_every_steps: int = Field(20, ge=1)
    """Steps between records."""
    precision: Precision = "auto"
    """fp32, bf16, fp16 (with scaling of the loss), fp64, or auto: bf16 where the processor multiplies it faster."""
    tf32: bool = True
    """Let a GPU round the factors of float32 products to 10 bits; code books never do."""
    compile: str = ""
    """Backend of `torch.compile` for the parts of the model, such as inductor; empty for none."""
    deterministic: bool = True
    """Choose kernels that give the same bits every time, where there are any."""
    best: str = "loss"
    """Name of the validation metric whose smallest value chooses the best checkpoint."""
    keep_best: int = Field(1, ge=1)
    """Best checkpoints that are kept; with more than one, the mean of their weights is tried at the end, and taken if better."""
    max_bad_steps: int = Field(5, ge=1)
    """Steps with non-finite gradients in a row that stop the run."""
    spike_factor: float = Field(20.0, ge=0, allow_inf_nan=False)
    """A step whose gradient norm exceeds so many times the median of the last 100 is left out; 0 takes all."""
    loaders: int = Field(1, ge=1)
    """Threads that make batches, each one batch ahead."""

    RUNNING: ClassVar[frozenset[str]] = frozenset(
        {"save_every_steps", "log_every_steps", "compile", "max_bad_steps", "loaders"}
    )  # fmt: skip

    @field_validator("compile")
    @classmethod
    def _known_backend(cls, name: str) -> str:
        if name and name not in (known := torch.compiler.list_backends(exclude_tags=())):
            raise ValueError(f"torch has no such backend; it has {', '.join(known)}")
        return name

    @field_validator("spike_factor")
    @classmethod
    def _above_usual(cls, factor: float) -> float:
        if 0 < factor <= 1:
            raise ValueError("every second step has more than the median: more than 1, or 0 to take all")
        return factor


class PreviewConfig(Config):
    """What is looked at while a model trains; changes no number of the run."""

    utts: int = Field(2, ge=0)
    """Utterances of the validation set that are drawn and made heard; 0 for none."""
    every: int = Field(1, ge=1)
    """Validations from one look to the next; the last validation is always followed by one."""
    most_pct: float = Field(1.0, ge=0)
    """Share of a run's time that looks may take; a look that would take more waits for a later validation."""
    sounds: bool = True
    """Whether what was predicted is made heard by Griffin-Lim, beside the original."""


class TaskConfig(Config):
    """Common to all tasks."""

    RUNNING: ClassVar[frozenset[str]] = frozenset({"preview"})

    seed: int = Field(1, ge=0)
    """Seed of every draw, with step and item."""
    batch: BatchConfig = BatchConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    preview: PreviewConfig = PreviewConfig()


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
        """10 ms frames that each item takes in a batch, to weigh micro-batches by; one second unless overridden."""
        return [100 for _ in items]

    def item_names(self, items: Sequence[int]) -> list[str]:
        """What errors call each item of the training set; its number unless overridden."""
        return [f"item {i}" for i in items]

    def valid_frames(self, items: Sequence[int]) -> list[int]:
        """10 ms frames that each item of the validation set takes in a batch; one second unless overridden."""
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


def task_class(name: str) -> type[Task]:
    """The task of that name.

    Raises:
        ConfigError: there is none.
    """
    return find("tasks", name, "TASK")


def is_trained(exp: Path) -> bool:
    """Whether a folder holds a trained run, packed or not."""
    return (exp / PACKED_WEIGHTS).exists() or (exp / "checkpoints" / "best.pt").exists()


def load_task(exp: str | Path, model: type[nn.Module] = nn.Module, which: str = "best") -> Any:
    """The trained task of a run's folder, in evaluation mode; its class is what the run says.

    Args:
        exp: Folder of the run.
        model: Class that its model must have.
        which: Checkpoint.

    Raises:
        ConfigError, CheckpointError: the folder is no run, its files do not fit together, or it holds another kind of model.
    """
    exp = Path(exp)
    packed = exp / PACKED_WEIGHTS
    runs = sorted(str(path) for path in exp.iterdir() if is_trained(path)) if exp.is_dir() and not is_trained(exp) else []
    if runs:
        raise ConfigError(
            f"{exp} is not a run, but a folder of runs", expected="a trained run", fix=f"name one: {' '.join(runs)}"
        )
    saved = read_saved(exp / (PACKED_CONFIG if packed.exists() else "config.yaml"))
    name = str(saved.get("task", ""))
    cls = task_class(name)
    values = {k: v for k, v in saved.items() if k not in {"task", "config_hash", "commit"}}
    try:
        config = cls.Config.model_validate(values)
    except ValueError as error:
        raise ConfigError(f"{exp}/config.yaml does not fit this version: {error}", fix="train it again") from error
    task = cls(config, TaskPaths(exp, exp, exp, "", ""), training=False)
    if not isinstance(task.model, model):
        found = f"{exp} is a run of {name}: its model is a {type(task.model).__name__}"
        raise ConfigError(found, expected=f"a run with a {model.__name__}", fix="name the folder of such a run")
    path = packed if packed.exists() else exp / "checkpoints" / f"{which}.pt"
    load_weights(task.model, load_file(path) if packed.exists() else _model_of(path), str(path))
    task.model.eval()
    return task


def _model_of(path: Path) -> Mapping[str, torch.Tensor]:
    state = load_checkpoint(path)
    if "model" not in state:
        raise CheckpointError(f"{path} holds no model", expected="a checkpoint of a training run")
    return state["model"]


def read_task_config(name: str, path: str | Path | None, overrides: Sequence[str]) -> TaskConfig:
    """Config of the task `name` from a YAML file and `a.b=c` words.

    Raises:
        ConfigError: they cannot be used; lists every fault.
    """
    task = task_class(name)
    config = load_config(task.Config, path, overrides)
    if task.metrics and config.train.best not in task.metrics:
        raise ConfigError(f"train.best is {config.train.best!r}", expected=f"one of {', '.join(task.metrics)}")
    return config
