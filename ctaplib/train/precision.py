"""Which number format the products are computed in."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ctaplib.errors import ConfigError
from ctaplib.tensors import map_tensors

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
KNOWN = ("fp32", "bf16", "fp16", "fp64", "auto")


def choose_precision(wanted: str, device: torch.device) -> str:
    """Resolve `auto`: bf16 where the hardware multiplies it faster than fp32.

    Raises:
        ConfigError: the name is unknown.
    """
    if wanted not in KNOWN:
        raise ConfigError(f"train.precision is {wanted!r}", expected=f"one of {', '.join(KNOWN)}")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "bf16" if "amx_bf16" in flags or "avx512_bf16" in flags else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Context in which products run in the chosen format."""
    if precision not in LOW:
        return nullcontext()
    return torch.autocast(device.type, LOW[precision])


def as_double(batch: Any) -> Any:
    """A batch with its floating-point tensors in float64."""
    return map_tensors(batch, lambda t: t.double() if t.is_floating_point() else t)


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return a scaler of the loss that keeps small fp16 gradients from vanishing; for other formats it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def load_scaler(scaler: torch.amp.GradScaler, state: dict[str, Any]) -> None:
    """Restore the state of a scaler, also of checkpoints that have `value` and `good` in its place."""
    if scaler.is_enabled() and "value" in state:
        state = {**scaler.state_dict(), "scale": state["value"], "_growth_tracker": int(state["good"])}
    scaler.load_state_dict(state)
