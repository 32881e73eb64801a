"""From the terms of one rank and micro-batch to the loss whose gradients are those of the global batch.

A term is a sum over items; it is divided once, by the number of items of the whole global batch:

    loss = sum_i w_i / (sum_b n_ib) * sum_b total_ib,      b over all micro-batches of all ranks.
"""

from collections.abc import Mapping, Sequence

import torch

from ctaplib.errors import CtapError
from ctaplib.losses.terms import Term
from ctaplib.train.distributed import World


def pairs_of(terms: Mapping[str, Term]) -> dict[str, torch.Tensor]:
    """Return sum and count of every term, (2,) float64 without gradient, on the term's device: nothing waits for a GPU."""
    return {
        n: torch.stack([t.total.detach().double(), torch.as_tensor(t.count, dtype=torch.float64).to(t.total.device)])
        for n, t in terms.items()
    }


def sum_pairs(parts: Sequence[Mapping[str, torch.Tensor]], world: World) -> dict[str, torch.Tensor]:
    """Sum over all micro-batches of all ranks."""
    names = sorted(parts[0])
    total = torch.stack([torch.stack([part[n].to(world.device) for n in names]) for part in parts]).sum(0)
    return dict(zip(names, world.sum(total).cpu()))


def weigh(terms: Mapping[str, Term], weights: Mapping[str, float], pairs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return this micro-batch's part of the loss, divided by the counts of all.

    Raises:
        CtapError: terms and weights do not fit.
    """
    if set(terms) != set(weights):
        raise CtapError(f"terms {sorted(terms)} and weights {sorted(weights)} differ", fix="give every term of the loss a weight")
    counts = {n: float(pairs[n][1].clamp_min(1.0)) for n in terms}
    loss = sum((weights[n] / counts[n]) * terms[n].total for n in sorted(terms) if weights[n] != 0.0)
    if not isinstance(loss, torch.Tensor):
        raise CtapError("all weights are zero", fix="give one term of the loss a weight at this step")
    return loss


def values_of(pairs: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the global mean of every term, and their weighted sum `loss`."""
    values = {n: float(pair[0] / pair[1].clamp_min(1.0)) for n, pair in pairs.items()}
    return values | {"loss": sum(weights[n] * values[n] for n in values)}
