"""A loss over the frames of many micro-batches, with memory for the activations of one.

The contrastive loss couples all frames of a global batch, but only through their embeddings. A step over several
micro-batches runs them twice: first without gradients, to collect the embeddings; then the loss and its gradient with
respect to the embeddings are computed once, over all frames of all ranks; then again with gradients, where each
micro-batch backpropagates the gradient of its own frames. The result is that of one batch.

Source: Gao, Zhang, Han, Callan 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (arXiv 2101.06983).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ctaplib.errors import CtapError

Loss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""(rows of S, rows of P, scale, labels) to the sum over the rows of this rank."""

_active: list["JointRows"] = []


def active_rows() -> "JointRows | None":
    """Return the active collector of rows, or None if losses are computed immediately."""
    return _active[-1] if _active else None


@dataclass
class _Call:
    """Rows of one loss in all micro-batches and, once solved, their gradients."""

    loss: Loss
    scale: Tensor
    parts: list[tuple[Tensor, Tensor, Tensor | None]] = field(default_factory=list)
    total: Tensor = field(init=False)
    gradients: list[tuple[Tensor, Tensor]] = field(init=False)
    to_scale: Tensor = field(init=False)


class JointRows:
    """Rows of losses over micro-batches, and their gradients in the same order."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._micro, self._next, self._solved = -1, 0, False

    @contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Run one micro-batch within; the order must be the same before and after `solve`."""
        self._micro, self._next = self._micro + 1, 0
        _active.append(self)
        try:
            yield
        finally:
            _active.pop()
        if self._next != len(self._calls):
            raise CtapError(f"micro-batch {self._micro} called {self._next} joint losses, those before it {len(self._calls)}")

    def add(self, loss: Loss, speech: Tensor, phonemes: Tensor, scale: Tensor, labels: Tensor | None) -> Tensor:
        """Return a scalar in place of the loss of these rows.

        It is 0 while rows are collected. After `solve` it has the gradient of these rows, and the values of all
        micro-batches of this rank add up to the sum.
        """
        place, self._next = self._next, self._next + 1
        if not self._solved:
            if place == len(self._calls):
                self._calls.append(_Call(loss, scale.detach()))
            self._calls[place].parts.append((speech.detach(), phonemes.detach(), labels))
            return speech.new_zeros(())
        call = self._calls[place]
        to_speech, to_phonemes = call.gradients[self._micro]
        stand_in = (speech * to_speech).sum() + (phonemes * to_phonemes).sum()
        if self._micro:
            return stand_in - stand_in.detach()
        stand_in = stand_in + scale * call.to_scale
        return stand_in - stand_in.detach() + call.total

    def solve(self) -> None:
        """Compute every loss and its gradients over all rows; every rank must call it."""
        for call in self._calls:
            sizes = [len(speech) for speech, _, _ in call.parts]
            speech = torch.cat([part[0] for part in call.parts]).requires_grad_()
            phonemes = torch.cat([part[1] for part in call.parts]).requires_grad_()
            given = [part[2] for part in call.parts if part[2] is not None]
            scale = call.scale.clone().requires_grad_()
            with torch.enable_grad():
                total = call.loss(speech, phonemes, scale, torch.cat(given) if given else None)
                to_speech, to_phonemes, call.to_scale = torch.autograd.grad(total, (speech, phonemes, scale))
            call.total = total.detach()
            call.gradients = list(zip(to_speech.split(sizes), to_phonemes.split(sizes), strict=True))
            call.parts = []
        self._micro, self._solved = -1, True
