"""Padded tensors and their lengths: masks (True = valid), stacking, mapping over the tensors of a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch


def length_mask(lengths: torch.Tensor, max_length: int | None = None) -> torch.Tensor:
    """Return the mask of the valid positions.

    Args:
        lengths: (B,) integers.
        max_length: Width of the mask; the longest length by default.

    Returns:
        (B, T) bool, True where valid.
    """
    width = int(lengths.max()) if max_length is None else max_length
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def pad_stack(items: Sequence[torch.Tensor], value: float = 0.0, multiple: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack tensors of different first length.

    Args:
        items: Tensors (T_i, ...) of different T_i.
        value: Padding value.
        multiple: The padded length is rounded up to a multiple of this.

    Returns:
        The stack (B, T, ...) and the lengths (B,) int64.
    """
    lengths = torch.tensor([len(item) for item in items], dtype=torch.int64)
    width = -(-int(lengths.max()) // multiple) * multiple
    stack = items[0].new_empty((len(items), width, *items[0].shape[1:]))
    for row, item in zip(stack, items):
        row[: len(item)] = item
        row[len(item) :] = value
    return stack, lengths


def pad_arrays(items: Sequence[np.ndarray], value: float = 0.0, multiple: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack arrays like `pad_stack`, in float32 or int64. Views of a mapped file are read here, once."""
    lengths = [len(item) for item in items]
    width = -(-max(lengths) // multiple) * multiple
    dtype = torch.float32 if np.issubdtype(items[0].dtype, np.floating) else torch.int64
    stack = torch.empty((len(items), width, *items[0].shape[1:]), dtype=dtype)
    for row, item, length in zip(stack.numpy(), items, lengths):
        row[:length] = item
        row[length:] = value
    return stack, torch.tensor(lengths)


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Convert half precisions to float32; double stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def map_tensors(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Apply a function to a tensor, or to every tensor in a mapping or a dataclass; return anything else as it is."""
    if torch.is_tensor(batch):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: map_tensors(value, change) for name, value in batch.items()}
    if not is_dataclass(batch) or isinstance(batch, type):
        return batch
    held = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(batch, **{n: map_tensors(v, change) for n, v in held.items() if torch.is_tensor(v) or isinstance(v, Mapping)})
