"""How much fits into memory: a trial of the largest batch before the first step, and the error where memory ran out."""

import gc
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import torch

from ctaplib.collective import gather_objects
from ctaplib.errors import TrainingError, counted
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World

USE = 0.85  # share of the free memory that a trial may plan with
KERNELS = 400 * 2**20  # bytes of address space for kernels that are compiled later, where it is limited (`ulimit -v`)
FEW = 4  # items of the second trial; memory is extrapolated along the line through both
LESS = "lower batch.max_s (what is left out is listed), or take a machine with more memory"
FEWER = "--batch_bins auto finds how much fits in one pass and adds up the rest; or lower batch.batch_s, or batch.max_s"
# Of both versions of control groups: files of the limit and of what is used, and the pages of files in `memory.stat`.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
    2: ("memory.max", "memory.current", ("active_file", "inactive_file")),
}
log = get_logger("ctaplib.train")


def find_micro_frames(
    task: Task, world: World, attempt: Callable[[list[int]], None], to_come: float = 0.0, kept: int | None = None
) -> int:
    """Find the most padded frames of one forward and backward pass that fit, from two trials with the longest items.

    All ranks get the same answer. A trial in which memory runs out on any rank failed on all; fewer items are then tried.

    Args:
        attempt: Runs the forward and backward passes of these items, without the other ranks, and leaves no trace.
        to_come: Bytes that the optimizers will allocate.
        kept: Answer of a run that goes on, returned unless it cannot fit, so that the run stays the same to the last bit.

    Returns:
        Frames; 0 where the local batch of the largest batch fits whole.

    Raises:
        TrainingError: the longest item alone does not fit, or memory cannot be measured here.
    """
    frame_s, items = task.frame_s, sorted(largest_local_batch(task, world), key=lambda i: -task.item_frames([i])[0])
    one, whole = padded_frames(task, items[:1]), padded_frames(task, items)
    free = _free_bytes(world)
    world.barrier()  # trials on this machine begin when all ranks have read what is free
    first, reason = _try(world, partial(attempt, items[:1]))
    if reason:
        raise TrainingError(f"the longest item, {one * frame_s:.1f} s, does not fit into memory ({reason})", fix=LESS)
    failed = False
    for count in sorted({1, *(min(n, len(items)) for n in (FEW, 2))}, reverse=True):
        second, reason = _try(world, partial(attempt, items[:count])) if count > 1 else (first, "")
        few = padded_frames(task, items[:count])
        if not reason:
            break
        log.info("memory: %d items of up to %.1f s do not fit into one pass (%s)", count, one * frame_s, reason)
        failed = True
    free = min(free, _free_bytes(world))  # kernels that the trials compiled stay
    slope = max(1.0, (second - first) / max(1, few - one))
    rooms = gather_objects([one + (limit - to_come - first) / slope for limit in (USE * free, free)])
    room, most = (math.floor(min(*rank_rooms, few) if failed else min(rank_rooms)) for rank_rooms in zip(*rooms))
    limit = USE * free - to_come
    log.info("memory: %.2f GiB for %.1f s, %.2f GiB for %.1f s of audio in one pass, %.2f GiB free: %.0f s fit, %.1f s wanted",
             first / 2**30, one * frame_s, second / 2**30, few * frame_s, limit / 2**30, max(0, room) * frame_s,
             whole * frame_s)  # fmt: skip
    if kept is not None and (kept or whole) <= most:
        return kept
    if room < one:
        raise TrainingError(
            f"the longest item, {one * frame_s:.1f} s, needs {first / 2**30:.2f} GiB, {max(0.0, limit) / 2**30:.2f} GiB are free",
            fix=LESS,
        )
    found = 0 if room >= whole else room
    if kept is not None:
        log.warning("this run took up to %.0f s in one pass and goes on with %.0f s: sums are rounded in another order",
                    (kept or whole) * frame_s, (found or whole) * frame_s)  # fmt: skip
    return found


def largest_local_batch(task: Task, world: World) -> list[int]:
    """Return the local batch of most padded frames.

    Raises:
        TrainingError: there is no batch.
    """
    batches = [batch[:: world.size] for batch in task.train_plan(0)]
    if not batches:
        raise TrainingError("the training set gives no batch", fix="see the list of what was left out and why")
    return max(batches, key=lambda items: padded_frames(task, items))


def padded_frames(task: Task, items: list[int]) -> int:
    """Return the frames of a batch, padding included."""
    sizes = task.item_frames(items)
    return max(sizes) * len(sizes)


def ran_out(error: BaseException) -> str:
    """Return the first line of an error that means that memory ran out; empty for any other."""
    text = str(error)
    # Where memory is short oneDNN says only this; "a primitive descriptor" is what it cannot create where it lacks a kernel.
    of_onednn = text.strip() in tuple(f"could not create a {what}" for what in ("primitive", "memory object", "memory storage"))
    words = ("not enough memory", "can't allocate memory", "out of memory", "Cannot allocate memory", "std::bad_alloc")
    if of_onednn or isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in text for word in words):
        return (text.splitlines() or ["MemoryError"])[0]
    return ""


@contextmanager
def explained(task: Task, sizes: Sequence[int], where: str, fix: str = FEWER) -> Iterator[None]:
    """Turn an error that means that memory ran out into one that says where, with items of which sizes (frames), and what to do.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (reason := ran_out(error)):
            raise
        items = f"{counted(len(sizes), 'item')} of up to {max(sizes) * task.frame_s:.1f} s"
        raise TrainingError(f"memory ran out {where}, with {items} on this process ({reason})", fix=fix) from error


def _try(world: World, work: Callable[[], None]) -> tuple[float, str]:
    """Return the largest number of bytes in use during some work, and why it failed, where memory ran out on any rank."""
    peak, reason = 0.0, ""
    try:
        peak = _peak_bytes(world, work)
    except (RuntimeError, MemoryError) as error:
        reason = ran_out(error)
        if not reason:
            raise
    if reason:  # the error is gone only here, and with it what its frames held
        gc.collect()
        if world.device.type == "cuda":
            torch.cuda.empty_cache()
    failed = world.sum(torch.tensor([float(bool(reason))], device=world.device))
    return peak, reason or ("on another process" if failed.item() else "")


def _free_bytes(world: World) -> float:
    """Return the memory that this process may still take, its own included."""
    if world.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(world.device)
        return free + torch.cuda.memory_reserved(world.device)
    return _free_of_machine() / int(os.environ.get("LOCAL_WORLD_SIZE", "1")) + psutil.Process().memory_info().rss


def _free_of_machine() -> float:
    free, process = min(float(psutil.virtual_memory().available), free_in_groups()), psutil.Process()
    limit, _ = process.rlimit(psutil.RLIMIT_AS)
    return free if limit == psutil.RLIM_INFINITY else min(free, limit - process.memory_info().vms - KERNELS)


def _peak_bytes(world: World, work: Callable[[], None]) -> float:
    """Return the largest number of bytes in use during some work."""
    if world.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(world.device)
        work()
        return float(torch.cuda.max_memory_allocated(world.device))
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak, which psutil cannot
    except OSError as error:
        raise TrainingError(f"memory cannot be measured here: {error}", fix="give --batch_bins a number of frames") from error
    work()
    return int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) * 1024.0


def free_in_groups(process: Path = Path("/proc/self"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the memory that control groups (containers, Slurm jobs) leave to this process; infinite where none has a limit.

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
