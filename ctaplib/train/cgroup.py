"""Memory that control groups (containers, Slurm jobs) leave to a process, of both versions."""

import math
from pathlib import Path

# Files of the limit and of what is used, and the pages of files in `memory.stat`.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
    2: ("memory.max", "memory.current", ("active_file", "inactive_file")),
}


def free_bytes(process: Path = Path("/proc/self"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the least that is free in any group of this process; infinite where none has a limit.

    Pages of files count as free, as the kernel gives them up first: they fill any group that reads a corpus.
    """
    free = math.inf
    for line in (process / "cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, version = (mount / "memory", 1) if controllers else (mount, 2)
        inside = Path(group.lstrip("/"))
        free = min(free, *(_free_of(top / folder, version) for folder in (inside, *inside.parents)))
    return free


def _free_of(folder: Path, version: int) -> float:
    limit_name, used_name, pages = _NAMES[version]
    try:
        limit, used = ((folder / name).read_text(encoding="ascii").strip() for name in (limit_name, used_name))
        words = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except OSError:  # a group outside the container is not visible, and the outermost has no limit
        return math.inf
    return math.inf if limit == "max" else float(int(limit) - int(used) + sum(int(words.get(name, 0)) for name in pages))
