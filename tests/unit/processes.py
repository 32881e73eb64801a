"""Programs of several processes, for tests."""

import sys
from pathlib import Path


def torchrun(processes: int, logs: Path) -> list[str]:
    """Begin of a command that starts a program in several processes; torchrun's own files go into `logs`."""
    return [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", f"--log-dir={logs}",
    ]  # fmt: skip
