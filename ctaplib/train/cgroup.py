"""Memory that control groups leave to a process: the limits of containers and of Slurm's jobs, of both versions."""

import math
from pathlib import Path
from typing import NamedTuple


class _Names(NamedTuple):
    """Files and words of a version."""

    limit: str
    used: str
    pages: tuple[str, ...]


_NAMES = {
    1: _Names("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
    2: _Names("memory.max", "memory.current", ("active_file", "inactive_file")),
}


def free_bytes(process: Path = Path("/proc/self"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """The least that is free in any group that this process is in; infinite where none has a limit.

    Pages of files count as free, for they are given up first: they would otherwise fill any group that reads a corpus.

    Args:
        process: Where the kernel tells of the process.
        mount: Where the groups are seen.
    """
    free = math.inf
    for line in (process / "cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, names = (mount / "memory", _NAMES[1]) if controllers else (mount, _NAMES[2])
        inside = Path(own.lstrip("/"))
        for folder in (top / inside, *(top / outer for outer in inside.parents)):
            free = min(free, _free_of(folder, names))
    return free


def _free_of(folder: Path, names: _Names) -> float:
    try:
        limit, used = ((folder / name).read_text(encoding="ascii").strip() for name in (names.limit, names.used))
        words = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except OSError:  # a group outside the container is not seen, and the outermost has no limit
        return math.inf
    if limit == "max":
        return math.inf
    return float(int(limit) - int(used) + sum(int(words.get(name, 0)) for name in names.pages))
