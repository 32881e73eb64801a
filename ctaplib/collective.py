"""Sums and gathers over the ranks of a run, for layers and losses that need the whole batch.

Without a process group, or inside `apart`, every function is the identity, so that callers need no branch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Value = TypeVar("Value")
_apart: list[bool] = []


@contextmanager
def apart() -> Iterator[None]:
    """Compute in this context as if this process were the only one: for a trial that may fail on one rank only."""
    _apart.append(True)
    try:
        yield
    finally:
        _apart.pop()


def _in_group() -> bool:
    return not _apart and dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """Return the number of ranks, 1 without a process group."""
    return dist.get_world_size() if _in_group() else 1


def rank() -> int:
    """Return the rank of this process, 0 without a process group."""
    return dist.get_rank() if _in_group() else 0


def sum_over_ranks(values: Tensor) -> Tensor:
    """Add a tensor of equal shape over all ranks.

    Args:
        values: Any shape, the same on every rank; not changed.

    Returns:
        The sum, the same on every rank; no gradient flows through it.
    """
    if world_size() == 1:
        return values.detach()
    total = values.detach().clone()
    dist.all_reduce(total)
    return total


def take_first(values: Tensor) -> None:
    """Overwrite a tensor with that of rank 0, because machines of different kinds may differ in the last bit."""
    if world_size() > 1:
        dist.broadcast(values, 0)


def row_counts(rows: int, device: torch.device) -> list[int]:
    """Return the number of rows of every rank."""
    if world_size() == 1:
        return [rows]
    mine = torch.tensor([rows], dtype=torch.int64, device=device)
    every = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(every, mine)
    return [int(n) for n in torch.cat(every).tolist()]


def gather_rows(values: Tensor, counts: list[int] | None = None) -> Tensor:
    """Concatenate the rows of all ranks in rank order; ranks may hold different numbers of rows.

    Args:
        values: (rows, ...); the trailing shape and the dtype must be the same on every rank.
        counts: Rows of every rank where already known (see `row_counts`), to save one message.

    Returns:
        (sum of rows, ...), the same on every rank; no gradient flows through it.
    """
    values = values.detach()
    if world_size() == 1:
        return values
    counts = row_counts(len(values), values.device) if counts is None else counts
    longest = max(counts)
    padded = values.new_zeros((longest, *values.shape[1:]))
    padded[: len(values)] = values
    every = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(every, padded)
    return torch.cat([part[:n] for part, n in zip(every, counts, strict=True)])


def gather_objects(value: Value) -> list[Value]:
    """Return the values of all ranks, in rank order; they must pickle."""
    if world_size() == 1:
        return [value]
    every: list[Value | None] = [None] * world_size()
    dist.all_gather_object(every, value)
    return every  # type: ignore[return-value]


def from_first(make: Callable[[], Value]) -> Value:
    """Return on every rank the result of the function on rank 0; on the others it is not called."""
    if world_size() == 1:
        return make()
    box: list[Value | None] = [make() if rank() == 0 else None]
    dist.broadcast_object_list(box)
    return box[0]  # type: ignore[return-value]
