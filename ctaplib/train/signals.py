"""Requests to stop a training: it finishes the step, saves and ends."""

import os
import signal
from types import FrameType
from typing import Any

import torch

from ctaplib.train.distributed import World

_NOTICE = b"\nstopping: the step is finished and saved; Ctrl-C again ends at once, without saving\n"


class StopRequest:
    """Handles SIGTERM, SIGHUP (the terminal is gone) and Ctrl-C within its context; a second Ctrl-C ends at once.

    A request to one rank stops all, at the same step. Signals that were ignored, as under `nohup` or behind `&`, stay ignored.
    """

    def __init__(self, world: World) -> None:
        self.world, self._asked = world, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.ask()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.world.is_main:
                os.write(2, _NOTICE)  # a log line might interrupt another one

    def ask(self) -> None:
        """Ask this rank to stop."""
        self._asked = True

    def asked(self) -> bool:
        """Return whether any rank was asked; all agree."""
        if self.world.size > 1:
            self._asked = bool(self.world.sum(torch.tensor([float(self._asked)], device=self.world.device)).item())
        return self._asked
