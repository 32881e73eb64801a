"""Recognition heads: phones by frame classification and by CTC, word pieces by CTC.

Source: VQ-CTAP (arXiv 2408.05758), model figure: the phoneme decoder classifies frames of Ŝ. The CTC branch is ours: one
class per frame of 40 ms cannot represent a repeated phone, or one shorter than a frame.
"""

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import nn

from ctaplib.config import Config
from ctaplib.nn.blocks import Stack, StackConfig
from ctaplib.nn.linear import Linear
from ctaplib.tensors import at_least_float32


class PhonemeDecoderConfig(Config):
    """Sizes of the phoneme decoder."""

    stack: StackConfig = StackConfig(layers=2)
    """Blocks at the rate of the content, shared by both branches."""
    ctc_stack: StackConfig = StackConfig(layers=1, heads=0, width=192, hidden=576)
    """Blocks before the CTC output, at its rate."""
    ctc_factor: int = Field(2, ge=1)
    """CTC frames in one content frame: 2 for CTC at 50 Hz from content at 25 Hz."""


@dataclass(frozen=True)
class Readout:
    """Logits of a phoneme decoder."""

    classes: torch.Tensor
    """(B, T, n_labels) logits of the class of each content frame; blank is never right."""
    ctc: torch.Tensor
    """(B, T ctc_factor, n_labels) CTC logits; blank is 0."""
    hidden: torch.Tensor
    """(B, T, width) input of both outputs."""
    mask: torch.Tensor
    """(B, T) True where valid."""

    @property
    def ctc_factor(self) -> int:
        """CTC frames in one content frame."""
        return self.ctc.shape[1] // self.classes.shape[1]

    @property
    def lengths(self) -> torch.Tensor:
        """(B,) valid content frames."""
        return self.mask.sum(1)

    @property
    def ctc_lengths(self) -> torch.Tensor:
        """(B,) valid CTC frames."""
        return self.ctc_factor * self.lengths


class PhonemeDecoder(nn.Module):
    """(B, T, inputs) content frames -> Readout, in float32."""

    def __init__(self, config: PhonemeDecoderConfig, inputs: int, n_labels: int) -> None:
        super().__init__()
        width, fast = config.stack.width, config.ctc_stack.width
        self.ctc_factor = config.ctc_factor
        self.inward = Linear(inputs, width)
        self.stack = Stack(config.stack)
        self.classes = Linear(width, n_labels)
        self.faster = Linear(width, config.ctc_factor * fast)
        self.ctc_stack = Stack(config.ctc_stack)
        self.ctc = Linear(fast, n_labels)

    def forward(self, content: torch.Tensor, mask: torch.Tensor) -> Readout:
        x = self.stack(self.inward(content), mask)
        batch, time, _ = x.shape
        y = self.faster(x).view(batch, self.ctc_factor * time, -1)
        y = self.ctc_stack(y, mask.repeat_interleave(self.ctc_factor, 1))
        return Readout(at_least_float32(self.classes(x)), at_least_float32(self.ctc(y)), x, mask)


class WordHead(nn.Module):
    """Word pieces by CTC at the rate of the content, blank 0."""

    def __init__(self, stack: StackConfig, inputs: int, n_pieces: int) -> None:
        super().__init__()
        self.inward = Linear(inputs, stack.width)
        self.stack = Stack(stack)
        self.out = Linear(stack.width, n_pieces + 1)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T, inputs), (B, T) -> (B, T, n_pieces + 1) logits, float32."""
        return at_least_float32(self.out(self.stack(self.inward(hidden), mask)))
