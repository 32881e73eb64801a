"""Operations on codebooks: nearest codes, k-means, and random draws that do not depend on the order of the batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

GROUP = 128
"""Codes in a group of the search for the best score."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Disable autocast and reduced-precision matrix products (TF32): codes must not depend on a run's settings."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@torch.no_grad()
def nearest_codes(vectors: Tensor, codebook: Tensor, tile_elements: int | None = None) -> Tensor:
    """Return the code of smallest Euclidean distance, the lowest of several: (rows, dim), (codes, dim) -> (rows,) int64.

    Vectors are searched in blocks that reuse one tile of `tile_elements` scores, by default what fits the device's cache, so
    memory does not grow with their number.
    """
    if tile_elements is None:
        tile_elements = 2**20 if vectors.device.type == "cpu" else 2**26
    group = GROUP if len(codebook) >= 4 * GROUP else len(codebook)
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
    """Return the place of the highest score of (rows, groups, members) in each row."""
    # amax is ten times as fast as argmax: first the group of the maximum, then its place there.
    if scores.shape[1] == 1:
        return scores[:, 0].argmax(1)
    best = scores.amax(2).argmax(1)
    inside = scores[torch.arange(len(scores), device=scores.device), best].argmax(1)
    return best * scores.shape[2] + inside


@torch.no_grad()
def draw_order(vectors: Tensor, key: int) -> Tensor:
    """Order vectors at random by their values and a key alone, not by their place in a batch or rank.

    The priority of a vector is the fractional part of ten times its projection on a direction drawn from the key (our
    choice): equal for equal vectors, so the order cannot depend on the order of the batch.

    Args:
        vectors: (rows, dim).
        key: Usually the training step.

    Returns:
        (rows,) int64, indices by decreasing priority.
    """
    generator = torch.Generator().manual_seed(int(key) & (2**63 - 1))
    direction = torch.randn(vectors.shape[1], generator=generator, dtype=torch.float64).to(vectors.device)
    along = torch.cat([part.double() @ direction for part in vectors.split(4096)])
    spread = (along - along.mean()).square().mean().sqrt().clamp_min(1e-12)
    return torch.argsort(torch.frac(10.0 * along / spread).abs(), descending=True, stable=True)


@torch.no_grad()
def sums_per_code(vectors: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Count and sum the vectors of every code: (size,) in the dtype of `vectors`, and (size, dim)."""
    counts = torch.bincount(codes, minlength=size).to(vectors.dtype)
    return counts, vectors.new_zeros((size, vectors.shape[1])).index_add_(0, codes, vectors)


@torch.no_grad()
def kmeans(vectors: Tensor, size: int, iterations: int, key: int) -> Tensor:
    """Cluster vectors by Lloyd's algorithm, started from vectors drawn with `draw_order`.

    Drawn vectors are sorted by their first value (our choice), because runs that round differently may swap two vectors of
    nearly equal priority. A code without vectors stays where it was drawn. With fewer vectors than codes the vectors are
    repeated with a little noise, so that no two codes are equal.

    Args:
        vectors: (rows, dim), at least one row.
        size: Number of codes.
        iterations: Rounds of assignment and averaging; 0 keeps the drawn vectors.
        key: Seeds the draw.
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
