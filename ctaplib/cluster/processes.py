"""Signals to processes, and processes that end with their parent."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable

RUN_ID = "CTAP_RUN_ID"  # environment variable that marks all processes of one run of the recipe driver
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends (Linux only), at once if `parent` (its id) has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def send_signal(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes; those that have ended are skipped."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
