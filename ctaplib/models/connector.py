"""Synthesis with a frozen model: durations of phones, and S from P.

Source: VQ-CTAP (arXiv 2408.05758), application figure: a duration model and the "sequence-aware semantic connector" are
trained, everything else stays frozen; S is then replaced by its nearest code. The layers of both are not published: our
choice.
"""

import torch
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.linear import Linear
from ctaplib.tensors import at_least_float32


class DurationConfig(Config):
    """Sizes of the duration model."""

    stack: StackConfig = StackConfig(width=160, layers=3, hidden=480)
    """Blocks over phones."""


class DurationModel(nn.Module):
    """Phones and a global vector of `condition` features -> log(1 + feature frames) of every phone."""

    def __init__(self, config: DurationConfig, n_tokens: int, condition: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, config.stack.width)
        self.stack = Stack(config.stack, condition)
        self.out = nn.Linear(config.stack.width, 1)

    def forward(self, phones: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        """(B, N) ids, (B, N) mask, (B, condition) -> (B, N), float32."""
        return at_least_float32(self.out(self.stack(self.embedding(phones), mask, prompt))).squeeze(-1)


class ConnectorConfig(Config):
    """Sizes of the connector."""

    stack: StackConfig = StackConfig(layers=3)
    """Blocks at the rate of the content; their width is that of P and S."""


class Connector(nn.Module):
    """P (B, T, width) -> S (B, T, width)."""

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.stack = Stack(config.stack)
        self.out = Linear(config.stack.width, config.stack.width)

    def forward(self, phonemes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return at_least_float32(self.out(self.stack(phonemes, mask)))


class Synthesis(nn.Module):
    """The trained parts of synthesis: duration model, connector, and scale of the distances to codes."""

    def __init__(self, duration: DurationModel, connector: Connector) -> None:
        super().__init__()
        self.duration, self.connector = duration, connector
        self.log_sharpness = nn.Parameter(torch.zeros(()))
