"""How much fits into memory: a trial of the largest batch before the first step, and a plain word when it did not fit."""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from ctaplib.errors import TrainingError
from ctaplib.runlog import get_logger
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World

USE = 0.85
"""Share of what is free that a trial may plan with."""
FEW = 4
"""Items of the second trial; memory grows along the line through both."""
log = get_logger("ctaplib.train")


def find_micro_frames(task: Task, world: World, attempt: Callable[[list[int]], None]) -> int:
    """Most padded frames of one forward and backward pass that fit, from two trials with the longest items.

    Args:
        task: What is trained.
        world: The processes; all get the same answer.
        attempt: Runs the forward and backward passes of these items and leaves no trace.

    Returns:
        Frames; 0 where a process's share of the largest batch fits whole.

    Raises:
        TrainingError: the longest item alone does not fit, or memory cannot be measured here.
    """
    share = max((batch[:: world.size] for batch in task.train_plan(0)), key=lambda items: padded_frames(task, items))
    share = sorted(share, key=lambda i: -task.item_frames([i])[0])
    one, few, whole = (padded_frames(task, share[:n]) for n in (1, FEW, len(share)))
    limit = _free_bytes(world) * USE - 2 * sum(p.numel() * p.element_size() for p in task.model.parameters())
    first = _peak_bytes(world, lambda: attempt(share[:1]))
    second = _peak_bytes(world, lambda: attempt(share[:FEW])) if few > one else first
    slope = max(1.0, (second - first) / max(1, few - one))
    room = one + int((limit - first) / slope)
    least = torch.tensor([float(room)], dtype=torch.float64, device=world.device)
    if world.size > 1:
        torch.distributed.all_reduce(least, torch.distributed.ReduceOp.MIN)
    room = int(least)
    log.info("memory: %.2f GiB for %.1f s, %.2f GiB for %.1f s of audio in one pass, %.2f GiB free: %.0f s fit, %.1f s wanted",
             first / 2**30, one / 100, second / 2**30, few / 100, limit / 2**30, max(0, room) / 100, whole / 100)  # fmt: skip
    if room < one:
        raise TrainingError(
            f"the longest item, {one / 100:.1f} s, needs {first / 2**30:.2f} GiB, {limit / 2**30:.2f} GiB are free",
            fix="lower batch.max_s (what is left out is listed), or take a machine with more memory",
        )
    return 0 if room >= whole else room


def padded_frames(task: Task, items: list[int]) -> int:
    """Frames of a batch, padding included."""
    sizes = task.item_frames(items)
    return max(sizes) * len(sizes)


def explain(error: BaseException, task: Task, items: list[int], step: int) -> TrainingError | None:
    """What to say of an error that means memory ran out; None for any other."""
    text = str(error)
    words = ("not enough memory", "can't allocate memory", "out of memory", "Cannot allocate memory")
    if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(w in text for w in words):
        return None
    longest, reason = max(task.item_frames(items)) / 100, (text.splitlines() or ["MemoryError"])[0]
    return TrainingError(
        f"memory ran out at step {step}, with {len(items)} items of up to {longest:.1f} s on this process ({reason})",
        fix="--batch_bins auto finds how much fits in one pass and adds up the rest; or lower batch.batch_s, or batch.max_s",
    )


def _free_bytes(world: World) -> float:
    """Memory that this process may still take."""
    if world.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(world.device)
        return free + torch.cuda.memory_reserved(world.device)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return _free_of_machine() / beside + _status_bytes("VmRSS")


def _free_of_machine() -> float:
    words = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = int(words["MemAvailable"].split()[0]) * 1024.0
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        free = min(free, soft - _status_bytes("VmSize"))
    return free


def _peak_bytes(world: World, work: Callable[[], None]) -> float:
    if world.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(world.device)
        work()
        return float(torch.cuda.max_memory_allocated(world.device))
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the peak back to the present
    except OSError as error:
        raise TrainingError(f"memory cannot be measured here: {error}", fix="give --batch_bins a number of frames") from error
    work()
    return _status_bytes("VmHWM")


def _status_bytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024.0
    raise TrainingError(f"/proc/self/status has no {name}", fix="give --batch_bins a number of frames")
