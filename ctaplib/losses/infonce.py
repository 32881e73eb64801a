"""Symmetric InfoNCE over N pairs without the N x N matrix, on one rank or over all.

With logits L = scale * S P^T, r_i the log-sum-exp of row i and c_j that of column j, the sum over anchors is

    total = 1/2 sum_i (r_i + c_i) - sum_i L_ii

the successor paper's Eq. 7 (SecoustiCodec, arXiv 2508.02849) before its division by N. With W_ij = exp(L_ij - r_i) +
exp(L_ij - c_j) - 2 [i = j] its gradient is scale/2 * W P for S and scale/2 * W^T S for P. Both passes loop over tiles
of L, which the backward pass computes again, so memory grows with N and not with its square. Each rank computes the
rows of its own frames against the columns of all ranks; the partial column sums are added up.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ctaplib.collective import gather_rows, rank, row_counts, sum_over_ranks, world_size
from ctaplib.errors import TrainingError

SAFE_LOGIT = 40.0
"""Sums of exponentials of logits within this bound stay normal float32 numbers without subtracting a maximum."""
_EXCLUDED = -1e30


@dataclass(frozen=True)
class _Layout:
    """Rows and columns of a tile of the matrix, and this rank's rows among the columns of all ranks."""

    rows: int
    columns: int
    bf16: bool
    """Compute products in bfloat16; exponentials and sums stay in the input's type."""
    first: int
    """Column of this rank's first row."""
    across: bool
    """Whether there are several ranks."""
    excluded: tuple[tuple[int, int, int, int], ...]
    """Blocks (row start, row end, column start, column end) of false negatives."""


def symmetric_infonce(
    speech: Tensor,
    phonemes: Tensor,
    scale: Tensor | float,
    labels: Tensor | None = None,
    *,
    exclude_same: bool = False,
    soft_share: float = 0.0,
    across_ranks: bool = False,
    bf16: bool = False,
    tile: tuple[int, int] | None = None,
) -> Tensor:
    """Compute the symmetric InfoNCE loss of this rank's pairs, with memory linear in their number.

    Args:
        speech: (pairs, dim), anchors; the caller normalises.
        phonemes: (pairs, dim), row i is the positive of row i of `speech`.
        scale: Factor on the products (inverse temperature), a scalar tensor where learned.
        labels: (pairs,) int64 >= 0, class of every pair; needed for the two options that follow.
        exclude_same: Exclude pairs of equal label from each other's negatives.
        soft_share: Share of an anchor's target that is spread evenly over all pairs of its label, itself included.
        across_ranks: Contrast with the pairs of all ranks, which may hold different numbers of them. Every rank must
            call, and run backward with the same factor.
        bf16: Compute products in bfloat16.
        tile: Rows and columns held at a time; by default what fits the device.

    Returns:
        Scalar, 1/2 (sum over rows + sum over columns) of this rank. Values and gradients add up over ranks to those of
        one rank with all pairs.
    """
    scale = torch.as_tensor(scale, dtype=speech.dtype, device=speech.device)
    size = tile or ((1024, 1024) if speech.device.type == "cpu" else (8192, 8192))
    across = across_ranks and world_size() > 1
    counts = row_counts(len(speech), speech.device) if across else [len(speech)]
    if exclude_same and labels is not None:
        order = torch.argsort(labels, stable=True)
        speech, phonemes, labels = speech[order], phonemes[order], labels[order]
    everyone = gather_rows(labels, counts) if across and labels is not None else labels
    layout = _Layout(
        rows=size[0],
        columns=size[1],
        bf16=bf16,
        first=sum(counts[: rank()]) if across else 0,
        across=across,
        excluded=_same_label_blocks(labels, everyone) if exclude_same and labels is not None and everyone is not None else (),
    )
    columns = gather_rows(phonemes, counts) if across else phonemes.detach()
    with torch.autocast(speech.device.type, enabled=False):
        hard = _TiledInfoNce.apply(speech, phonemes, scale, columns, layout)
        if soft_share == 0.0 or labels is None or everyone is None:
            return hard
        classes = int(everyone.max()) + 1 if len(everyone) else 1
        return hard + soft_share * _softening(speech, phonemes, scale, labels, classes, across)


def _softening(speech: Tensor, phonemes: Tensor, scale: Tensor, labels: Tensor, classes: int, across: bool) -> Tensor:
    """Compute the loss with targets spread evenly over the pairs of one label, minus the loss with hard targets:

        sum_i (L_ii - 1/2 mean_j L_ij - 1/2 mean_j L_ji),    j over the pairs of i's label.

    A mean over a label is a product with the label's mean vector, so no matrix is needed.
    """
    one, other = speech.detach(), phonemes.detach()
    sums = torch.stack([x.new_zeros((classes, x.shape[1])).index_add_(0, labels, x) for x in (one, other)])
    counts = torch.bincount(labels, minlength=classes)
    if across:
        sums, counts = sum_over_ranks(sums), sum_over_ranks(counts)
    mean_one, mean_other = (sums / counts.clamp_min(1)[:, None])[:, labels]
    value = (one * other).sum() - ((one * mean_other).sum() + (other * mean_one).sum()) / 2
    # Means have a gradient as well, on every rank. This has the whole gradient, and its value is subtracted.
    slope = (speech * (other - mean_other)).sum() + (phonemes * (one - mean_one)).sum()
    return scale * value + scale.detach() * (slope - slope.detach())


def _check_same_factor(gradient: Tensor) -> None:
    """Check that all ranks run backward with one factor.

    Raises:
        TrainingError: They do not.
    """
    every = gather_rows(gradient.reshape(1))
    if bool((every != every[0]).any()):
        raise TrainingError(
            f"the contrastive loss has the factors {every.tolist()} on the ranks of this run",
            expected="the same factor on all ranks, since pairs of one rank are negatives of another",
            fix="divide every term by its count over all ranks before backward",
        )


class _TiledInfoNce(torch.autograd.Function):
    """Loss with hard targets; the module has the equations."""

    @staticmethod
    def forward(ctx: Any, speech: Tensor, phonemes: Tensor, scale: Tensor, columns: Tensor, layout: _Layout) -> Tensor:
        positive = (speech * phonemes).sum(1) * scale
        small = _logit_bound(speech, columns, scale, layout) <= SAFE_LOGIT
        sums = _sums_of_small if small else _sums_of_any
        rows_lse, columns_lse = sums(speech, columns, scale, positive, layout)
        ctx.save_for_backward(speech, columns, scale, positive, rows_lse, columns_lse)
        ctx.layout, ctx.small = layout, small
        mine = columns_lse[layout.first : layout.first + len(speech)]
        return (rows_lse.sum() + mine.sum()) / 2 - positive.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        speech, columns, scale, positive, rows_lse, columns_lse = ctx.saved_tensors
        layout: _Layout = ctx.layout
        if layout.across:
            _check_same_factor(gradient)
        to_speech, to_columns = torch.zeros_like(speech), torch.zeros_like(columns)
        by_row, by_column = (-rows_lse).exp(), (-columns_lse).exp()
        kept = positive.exp() if ctx.small else positive
        for rows, cols, logits in _tiles(speech, columns, scale, layout):
            if ctx.small:
                weights = logits.exp_()
                _exclude(weights, rows, cols, kept, 0.0, layout)
                weights.mul_(by_row[rows, None] + by_column[cols])
            else:
                _exclude(logits, rows, cols, kept, _EXCLUDED, layout)
                weights = torch.exp(logits - rows_lse[rows, None])
                weights.add_(logits.sub_(columns_lse[cols]).exp_())
            _own_entries(weights, rows, cols, layout).sub_(2.0)
            if layout.bf16:
                low = weights.bfloat16()
                to_speech[rows] += low @ columns[cols].bfloat16()
                to_columns[cols] += low.T @ speech[rows].bfloat16()
            else:
                to_speech[rows].addmm_(weights, columns[cols])
                to_columns[cols].addmm_(weights.T, speech[rows])
        to_scale = (to_speech * speech).sum() * (gradient / 2)
        factor = gradient * scale / 2
        if layout.across:
            dist.all_reduce(to_columns)
        to_phonemes = to_columns[layout.first : layout.first + len(speech)]
        return to_speech.mul_(factor), to_phonemes.mul_(factor), to_scale, None, None


def _logit_bound(speech: Tensor, columns: Tensor, scale: Tensor, layout: _Layout) -> float:
    longest = [(x.square().sum(1).max() if len(x) else x.new_zeros(())).sqrt() for x in (speech, columns)]
    bound = (longest[0] * longest[1] * scale.abs()).detach().reshape(1).clone()
    if layout.across:
        dist.all_reduce(bound, op=dist.ReduceOp.MAX)
    return float(bound)


def _tiles(speech: Tensor, columns: Tensor, scale: Tensor, layout: _Layout) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield the rows, the columns and the logits of every tile, which the caller may overwrite."""
    kind = torch.bfloat16 if layout.bf16 else speech.dtype
    right = columns.to(kind)
    buffer = speech.new_empty(min(layout.rows, len(speech)) * min(layout.columns, len(columns)), dtype=kind)
    for top in range(0, len(speech), layout.rows):
        rows = slice(top, min(top + layout.rows, len(speech)))
        left = (speech[rows] * scale).to(kind)
        for begin in range(0, len(columns), layout.columns):
            cols = slice(begin, min(begin + layout.columns, len(columns)))
            tile = buffer[: (rows.stop - top) * (cols.stop - begin)].view(rows.stop - top, cols.stop - begin)
            yield rows, cols, torch.mm(left, right[cols].T, out=tile).to(speech.dtype)


def _own_entries(tile: Tensor, rows: slice, cols: slice, layout: _Layout) -> Tensor:
    """Return a view of the entries of a tile that pair a row with its own column."""
    offset = rows.start + layout.first - cols.start
    if offset >= tile.shape[1] or -offset >= tile.shape[0]:
        return tile.new_empty(0)
    return tile.diagonal(offset)


def _exclude(tile: Tensor, rows: slice, cols: slice, own: Tensor, value: float, layout: _Layout) -> None:
    """Overwrite false negatives in a tile by a value, and restore the positives."""
    if not layout.excluded:
        return
    for top, bottom, begin, end in layout.excluded:
        if top < rows.stop and bottom > rows.start and begin < cols.stop and end > cols.start:
            across = slice(max(begin - cols.start, 0), end - cols.start)
            tile[max(top - rows.start, 0) : bottom - rows.start, across] = value
    entries = _own_entries(tile, rows, cols, layout)
    if len(entries):
        start = max(rows.start, cols.start - layout.first)
        entries.copy_(own[start : start + len(entries)])


def _sums_of_small(speech: Tensor, columns: Tensor, scale: Tensor, positive: Tensor, layout: _Layout) -> tuple[Tensor, Tensor]:
    """Compute the log-sum-exps of rows and columns where no logit can overflow: one exponential serves both."""
    by_row, by_column = speech.new_zeros(len(speech)), speech.new_zeros(len(columns))
    kept = positive.exp()
    for rows, cols, logits in _tiles(speech, columns, scale, layout):
        values = logits.exp_()
        _exclude(values, rows, cols, kept, 0.0, layout)
        by_row[rows] += values.sum(1)
        by_column[cols] += values.sum(0)
    if layout.across:
        dist.all_reduce(by_column)
    return by_row.log_(), by_column.log_()


def _sums_of_any(speech: Tensor, columns: Tensor, scale: Tensor, positive: Tensor, layout: _Layout) -> tuple[Tensor, Tensor]:
    """Compute the log-sum-exps of rows and columns for logits of any size, with running maxima."""
    row_state = (speech.new_full((len(speech),), -math.inf), speech.new_zeros(len(speech)))
    column_state = (speech.new_full((len(columns),), -math.inf), speech.new_zeros(len(columns)))
    for rows, cols, logits in _tiles(speech, columns, scale, layout):
        _exclude(logits, rows, cols, positive, _EXCLUDED, layout)
        _stream(row_state, rows, logits, 1)
        _stream(column_state, cols, logits, 0)
    top, total = column_state
    if layout.across:
        highest = top.clone()
        dist.all_reduce(highest, op=dist.ReduceOp.MAX)
        total.mul_((top - highest).exp_())
        dist.all_reduce(total)
        top = highest
    return row_state[1].log_().add_(row_state[0]), total.log_().add_(top)


def _stream(state: tuple[Tensor, Tensor], part: slice, logits: Tensor, dim: int) -> None:
    top, total = state[0][part], state[1][part]
    highest = torch.maximum(top, logits.amax(dim))
    total.mul_((top - highest).exp_()).add_((logits - highest.unsqueeze(dim)).exp_().sum(dim))
    top.copy_(highest)


def _same_label_blocks(mine: Tensor, everyone: Tensor) -> tuple[tuple[int, int, int, int], ...]:
    spans: dict[int, list[tuple[int, int]]] = {}
    for label, start, end in _spans(everyone):
        spans.setdefault(label, []).append((start, end))
    return tuple((top, bottom, *span) for label, top, bottom in _spans(mine) for span in spans.get(label, []))


def _spans(labels: Tensor) -> list[tuple[int, int, int]]:
    values, lengths = torch.unique_consecutive(labels, return_counts=True)
    ends = lengths.cumsum(0).tolist()
    return [(v, e - n, e) for v, n, e in zip(values.tolist(), lengths.tolist(), ends, strict=True)]
