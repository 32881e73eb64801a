"""Number formats of the products, and the scale of the loss for fp16."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ctaplib.tensors import map_tensors

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
