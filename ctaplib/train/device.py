"""Settings of the device for a training: determinism, TF32, compiled parts."""

import os

import torch

from ctaplib.tasks.settings import TrainConfig


def prepare_device(train: TrainConfig, model: torch.nn.Module, device: torch.device) -> None:
    """Apply the settings; must come before the first product."""
    torch.set_deterministic_debug_mode("warn" if train.deterministic else "default")  # the other name imports the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, changes nothing
    if device.type == "cuda":
        if train.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS may add up in another order
        torch.set_float32_matmul_precision("high" if train.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = train.tf32
    for part in model.children() if train.compile else ():
        part.compile(backend=train.compile, dynamic=True)
