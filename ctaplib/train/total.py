"""From the terms of one process to the loss whose gradients are those of the global batch."""

from collections.abc import Mapping

import torch

from ctaplib.errors import CtapError
from ctaplib.losses.terms import Term
from ctaplib.train.distributed import World


def join_terms(terms: Mapping[str, Term], weights: Mapping[str, float], world: World) -> tuple[torch.Tensor, dict[str, float]]:
    """The weighted loss whose gradients, summed over processes, are those of the global batch.

    Args:
        terms: Sums and counts of this process.
        weights: Weight per term, the same names.
        world: The processes.

    Returns:
        The loss of this process's share, and the global value of each term and of their weighted sum `loss`.

    Raises:
        CtapError: the names differ.
    """
    if set(terms) != set(weights):
        raise CtapError(f"terms {sorted(terms)} and weights {sorted(weights)} differ", fix="give every term of the loss a weight")
    names = sorted(terms)
    pairs = torch.stack(
        [torch.stack([terms[n].total.detach().double().cpu(), torch.as_tensor(terms[n].count).double().cpu()]) for n in names]
    )
    pairs = world.sum(pairs.to(world.device)).cpu()
    counts = pairs[:, 1].clamp_min(1.0)
    loss = sum((weights[n] / float(c)) * terms[n].total for n, c in zip(names, counts) if weights[n] != 0.0)
    if not isinstance(loss, torch.Tensor):
        raise CtapError("all weights are zero", fix="give one term of the loss a weight at this step")
    values = dict(zip(names, (pairs[:, 0] / counts).tolist()))
    return loss, values | {"loss": sum(weights[n] * values[n] for n in names)}
