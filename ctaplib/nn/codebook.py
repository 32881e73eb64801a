"""Work on code books: the nearest code of every vector, k-means, and draws that do not depend on batch order.

The search walks over blocks of vectors and reuses one tile of scores, so that its memory does not grow with
the number of vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

TILE_ELEMENTS_CPU = 2**20
TILE_ELEMENTS_GPU = 2**26
_GROUP = 128
_SPREAD = 10.0
_DRAW_ROWS = 4096


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Switch autocast and reduced-precision products off: codes must not depend on a run's settings."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@torch.no_grad()
def nearest_codes(vectors: Tensor, codebook: Tensor, tile_elements: int | None = None) -> Tensor:
    """Find the code of smallest Euclidean distance to every vector; ties go to the lowest code.

    Args:
        vectors: (rows, dim).
        codebook: (codes, dim), the same dtype.
        tile_elements: scores held at a time; a value fit for the device's cache when None.

    Returns:
        (rows,) int64.
    """
    if tile_elements is None:
        tile_elements = TILE_ELEMENTS_CPU if vectors.device.type == "cpu" else TILE_ELEMENTS_GPU
    group = _GROUP if len(codebook) >= 4 * _GROUP else len(codebook)
    fill = -len(codebook) % group
    offset = torch.nn.functional.pad(codebook.square().sum(1).mul_(-0.5), (0, fill), value=-torch.inf)
    book = torch.nn.functional.pad(codebook, (0, 0, 0, fill)) if fill else codebook
    block = max(1, tile_elements // len(book))
    codes = torch.empty(len(vectors), dtype=torch.int64, device=vectors.device)
    tile = book.new_empty((min(block, len(vectors)), len(book)))
    for start in range(0, len(vectors), block):
        part = vectors[start : start + block]
        scores = torch.addmm(offset, part, book.T, out=tile[: len(part)])
        codes[start : start + block] = _argmax(scores.view(len(part), -1, group))
    return codes


def _argmax(scores: Tensor) -> Tensor:
    """Find the highest of (rows, groups, members): the maximum alone is ten times as fast as its place."""
    if scores.shape[1] == 1:
        return scores[:, 0].argmax(1)
    best = scores.amax(2).argmax(1)
    inside = scores[torch.arange(len(scores), device=scores.device), best].argmax(1)
    return best * scores.shape[2] + inside


@torch.no_grad()
def draw_order(vectors: Tensor, key: int) -> Tensor:
    """Order vectors at random by their values and a key alone, not by their place in a batch or rank.

    The priority of a vector is the fractional part of ten times its projection on a direction drawn from
    the key (our choice): equal for equal vectors, so the order cannot depend on the order of the batch.

    Args:
        vectors: (rows, dim).
        key: whole number, usually the training step.

    Returns:
        (rows,) int64, indices by falling priority.
    """
    if len(vectors) == 0:
        return torch.zeros(0, dtype=torch.int64, device=vectors.device)
    generator = torch.Generator().manual_seed(int(key) & (2**63 - 1))
    direction = torch.randn(vectors.shape[1], generator=generator, dtype=torch.float64).to(vectors.device)
    along = torch.cat([part.double() @ direction for part in vectors.split(_DRAW_ROWS)])
    spread = (along - along.mean()).square().mean().sqrt().clamp_min(1e-12)
    return torch.argsort(torch.frac(_SPREAD * along / spread).abs(), descending=True, stable=True)


@torch.no_grad()
def sums_per_code(vectors: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Add up the vectors that fell to every code.

    Returns:
        counts (size,) in the dtype of `vectors`, and sums (size, dim).
    """
    counts = torch.bincount(codes, minlength=size).to(vectors.dtype)
    return counts, vectors.new_zeros((size, vectors.shape[1])).index_add_(0, codes, vectors)


@torch.no_grad()
def kmeans(vectors: Tensor, size: int, iterations: int, key: int) -> Tensor:
    """Place `size` codes among vectors by Lloyd's algorithm, started from vectors drawn with `draw_order`.

    Codes come in the order of their first value when drawn (our choice): of vectors whose priorities all but agree, runs
    that round differently may draw either one first. A code that no vector falls to stays where it was drawn. With fewer
    vectors than codes the vectors are used again, each time with a little noise, so that no two codes are equal.

    Args:
        vectors: (rows, dim), at least one row.
        size: number of codes.
        iterations: rounds of assignment and averaging; 0 keeps the drawn vectors.
        key: whole number that decides the draw.

    Returns:
        (size, dim).
    """
    vectors = vectors[draw_order(vectors, key)]
    repeats = -(-size // len(vectors))
    codebook = vectors.repeat(repeats, 1)[:size].clone()
    if repeats == 1:
        codebook = codebook[codebook[:, 0].argsort(stable=True)]
    else:
        generator = torch.Generator().manual_seed(int(key) & (2**63 - 1))
        noise = torch.randn(codebook.shape, generator=generator, dtype=torch.float64).to(codebook)
        codebook[len(vectors) :] += 1e-2 * vectors.square().mean().sqrt() * noise[len(vectors) :]
    for _ in range(iterations):
        counts, sums = sums_per_code(vectors, nearest_codes(vectors, codebook), size)
        codebook = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], codebook)
    return codebook
