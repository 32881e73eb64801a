"""Which number format the products are computed in."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from ctaplib.errors import ConfigError


def choose_precision(wanted: str, device: torch.device) -> str:
    """Resolve `auto`: bf16 where the hardware multiplies it faster than fp32.

    Raises:
        ConfigError: the name is unknown.
    """
    if wanted in {"fp32", "bf16"}:
        return wanted
    if wanted != "auto":
        raise ConfigError(f"train.precision is {wanted!r}", expected="fp32, bf16 or auto")
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "bf16" if "amx_bf16" in flags or "avx512_bf16" in flags else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Context in which products run in the chosen format."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
