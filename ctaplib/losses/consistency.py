"""Semantic-transfer-wise paralinguistic consistency: decoded speech must carry the prompt's vector.

With G the prompt's vector, G_t the prompt encoder's vector of the decoded target content and G_r that of decoded
random content, both decoded with G,

    L_cons = d(G, G_t) + d(G_t, G_r)

Source: VQ-CTAP (arXiv 2408.05758), consistency loss (two terms in its figure). The distance d is not published: it is
    a setting, on the means of the variational encoder.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ctaplib.config import Config
from ctaplib.losses.terms import Term
from ctaplib.tensors import at_least_float32

Distance = Literal["mse", "l1", "cosine"]


class ConsistencyConfig(Config):
    """Settings of the consistency loss."""

    distance: Distance = "mse"
    """Squared or absolute difference averaged over the vector, or one minus the cosine (our choice: mse)."""
    random_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the second distance, between decoded target and decoded random content."""
    hold_prompt: bool = False
    """Detach the prompt's own vector, so that only what is decoded moves."""


def vector_distance(first: Tensor, second: Tensor, distance: Distance = "mse") -> Tensor:
    """Compute the distance of two vectors for each utterance: (batch, dim) twice to (batch,)."""
    first, second = at_least_float32(first), at_least_float32(second)
    if distance == "cosine":
        return 1.0 - torch.nn.functional.cosine_similarity(first, second, dim=1, eps=1e-8)
    difference = first - second
    return (difference.abs() if distance == "l1" else difference.square()).mean(1)


def consistency_loss(prompt: Tensor, predicted: Tensor, predicted_random: Tensor, config: ConsistencyConfig) -> Term:
    """Compare the prompt's vector with the vectors of speech decoded with it, (batch, dim) each.

    Args:
        prompt: Vector of the prompt.
        predicted: Vector of the mel decoded from the target's content.
        predicted_random: Vector of the mel decoded from random content.
        config: Settings.

    Returns:
        Sum over utterances, and their number.
    """
    first = vector_distance(prompt.detach() if config.hold_prompt else prompt, predicted, config.distance).sum()
    second = vector_distance(predicted, predicted_random, config.distance).sum()
    return Term(first + config.random_weight * second, float(len(prompt)))
