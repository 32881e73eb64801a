"""Settings that every task has: optimizer, training, previews."""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, field_validator

from ctaplib.config import Config
from ctaplib.data.batching import BatchConfig

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimConfig(Config):
    """AdamW and its learning-rate schedule."""

    lr: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Peak learning rate."""
    lr_scale: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """Factors on the learning rate, by the beginning of parameter names, for example `word_head: 10`."""
    warmup_steps: int = Field(100, ge=0)
    """Steps of linear warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
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
    """Length and precision of training, intervals of validation and checkpoints."""

    max_steps: int = Field(1000, ge=1)
    """Steps of training."""
    valid_every_steps: int = Field(250, ge=1)
    """Steps between validations."""
    save_every_steps: int = Field(100, ge=1)
    """Steps between checkpoints."""
    log_every_steps: int = Field(20, ge=1)
    """Steps between records."""
    precision: Literal["fp32", "bf16", "fp16", "fp64", "auto"] = "auto"
    """fp32, bf16, fp16 (with loss scaling), fp64, or auto: bf16 where the processor has fast instructions for it."""
    tf32: bool = True
    """Allow TF32 in float32 matrix products on a GPU; code books never use it."""
    compile: str = ""
    """Backend of `torch.compile` for the parts of the model, such as inductor; empty for none."""
    deterministic: bool = True
    """Use deterministic kernels where there are any."""
    best: str = "loss"
    """Name of the validation metric whose smallest value chooses the best checkpoint."""
    keep_best: int = Field(1, ge=1)
    """Number of best checkpoints to keep; with several, the mean of their weights is tried at the end, and taken if better."""
    max_bad_steps: int = Field(5, ge=1)
    """Consecutive steps with non-finite gradients that stop the run."""
    spike_factor: float = Field(20.0, ge=0, allow_inf_nan=False)
    """Skip a step whose gradient norm exceeds this factor times the median of the last 100; 0 skips none."""
    loaders: int = Field(1, ge=1)
    """Threads that load batches, each one batch ahead."""

    RUNNING: ClassVar[frozenset[str]] = frozenset({"save_every_steps", "log_every_steps", "compile", "max_bad_steps", "loaders"})

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
            raise ValueError("must be above 1, or 0 to skip no step; every second step exceeds the median")
        return factor


class PreviewConfig(Config):
    """Previews during training; they change no number of the run."""

    utts: int = Field(2, ge=0)
    """Validation utterances in a preview; 0 for no previews."""
    every: int = Field(1, ge=1)
    """Validations from one preview to the next; the last validation always has one."""
    most_pct: float = Field(1.0, ge=0)
    """Largest share of the run's time for previews, percent; a preview that would exceed it waits for a later validation."""
    sounds: bool = True
    """Add audio of the predicted mel by Griffin-Lim, beside the original."""


class TaskConfig(Config):
    """Settings of every task."""

    RUNNING: ClassVar[frozenset[str]] = frozenset({"preview"})

    seed: int = Field(1, ge=0)
    """Seed of everything random, together with step and item."""
    batch: BatchConfig = BatchConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    preview: PreviewConfig = PreviewConfig()
