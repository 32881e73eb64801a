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


class LossScale:
    """Factor on the loss that keeps small fp16 gradients from vanishing: halved when one overflows, doubled after a while.

    Source: Micikevicius et al. 2018, Mixed Precision Training (arXiv 1710.03740), section 3.2, with its automatic choice.
    """

    def __init__(self, precision: str, *, start: float = 2.0**16, every: int = 2000) -> None:
        self.used, self.every = precision == "fp16", every
        self.value, self.good = (start if self.used else 1.0), 0

    def undo(self, parameters: list[torch.nn.Parameter]) -> None:
        """Divide the gradients by the factor."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.used and gradients:
            torch._foreach_mul_(gradients, 1.0 / self.value)

    def update(self, finite: bool) -> bool:
        """Take the outcome of a turn in; whether an overflow was the factor's own fault and is mended by a smaller one."""
        if not self.used:
            return False
        if finite:
            self.good += 1
            if self.good >= self.every:
                self.value, self.good = self.value * 2, 0
            return False
        self.value, self.good = self.value / 2, 0
        return self.value >= 1.0

    def state_dict(self) -> dict[str, float]:
        """State for a checkpoint."""
        return {"value": self.value, "good": self.good}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore `state_dict`."""
        self.value, self.good = state["value"], int(state["good"])
