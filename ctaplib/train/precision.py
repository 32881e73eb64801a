"""Settings of the device: determinism, number formats of the products, compiled parts, and the scale of the loss for fp16."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ctaplib.tasks.settings import TrainConfig
from ctaplib.tensors import map_tensors

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}


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


def choose_precision(precision: str, device: torch.device) -> str:
    """Resolve `auto`: bf16 where the hardware multiplies it faster than fp32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "bf16" if "amx_bf16" in flags or "avx512_bf16" in flags else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which products are computed in the chosen format."""
    return torch.autocast(device.type, LOW[precision]) if precision in LOW else nullcontext()


def as_double(batch: Any) -> Any:
    """Convert the floating-point tensors of a batch to float64."""
    return map_tensors(batch, lambda t: t.double() if t.is_floating_point() else t)


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return a scaler of the loss that keeps small fp16 gradients from vanishing; for other formats it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def load_scaler(scaler: torch.amp.GradScaler, state: dict[str, Any]) -> None:
    """Restore the state of a scaler; `value` and `good` are of checkpoints from before torch's scaler was used."""
    if scaler.is_enabled() and "value" in state:
        state = {**scaler.state_dict(), "scale": state["value"], "_growth_tracker": int(state["good"])}
    scaler.load_state_dict(state)
