"""A loss over rows of many micro-batches, with memory for the activations of one.

The contrastive loss couples all frames of a global batch, but only through their embeddings. So a step over several
micro-batches goes through them twice: first without gradients, to collect the embeddings; then the loss and its gradient with
respect to them are computed once, over all rows of all processes; then again with gradients, where each micro-batch takes the
gradient of its own rows. The result is that of one batch.

Source: Gao, Zhang, Han, Callan 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (arXiv 2101.06983).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ctaplib.errors import CtapError

Loss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""(rows of S, rows of P, scale, labels) to the sum over the rows of this process."""

_active: list["JointRows"] = []


def active_rows() -> "JointRows | None":
    """What gathers rows now, or None: then a loss is computed at once."""
    return _active[-1] if _active else None


@dataclass
class _Call:
    """The rows of one call of a loss, of every micro-batch, and afterwards their gradients."""

    parts: list[tuple[Tensor, Tensor, Tensor | None]] = field(default_factory=list)
    scale: Tensor | None = None
    total: Tensor | None = None
    gradients: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    to_scale: Tensor | None = None


class JointRows:
    """Collects the rows of losses over micro-batches, then hands their gradients out in the same order."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._losses: list[Loss] = []
        self._micro, self._next, self._solved = -1, 0, False

    @contextmanager
    def micro_batch(self) -> Iterator[None]:
        """One micro-batch, in the same order before and after `solve`."""
        self._micro, self._next = self._micro + 1, 0
        _active.append(self)
        try:
            yield
        finally:
            _active.pop()
        if self._next != len(self._calls):
            raise CtapError(f"micro-batch {self._micro} called {self._next} joint losses, those before it {len(self._calls)}")

    def add(self, loss: Loss, speech: Tensor, phonemes: Tensor, scale: Tensor, labels: Tensor | None) -> Tensor:
        """A scalar that stands for the loss of these rows: 0 while collecting; afterwards its gradient is right, and the values
        of all micro-batches of this process add up to its sum.
        """
        place, self._next = self._next, self._next + 1
        if not self._solved:
            return self._collect(place, loss, speech, phonemes, scale, labels)
        call = self._calls[place]
        if call.total is None or call.to_scale is None:
            raise CtapError("a joint loss is used before it is solved")
        to_speech, to_phonemes = call.gradients[self._micro]
        stand_in = (speech * to_speech).sum() + (phonemes * to_phonemes).sum()
        if self._micro == 0:
            stand_in = stand_in + scale * call.to_scale
            return stand_in - stand_in.detach() + call.total
        return stand_in - stand_in.detach()

    def _collect(self, place: int, loss: Loss, speech: Tensor, phonemes: Tensor, scale: Tensor, labels: Tensor | None) -> Tensor:
        if place == len(self._calls):
            self._calls.append(_Call(scale=scale.detach()))
            self._losses.append(loss)
        self._calls[place].parts.append((speech.detach(), phonemes.detach(), labels))
        return speech.new_zeros(())

    def solve(self) -> None:
        """Compute every loss and its gradients over all rows; every process must call it."""
        for call, loss in zip(self._calls, self._losses, strict=True):
            sizes = [len(speech) for speech, _, _ in call.parts]
            speech = torch.cat([part[0] for part in call.parts]).requires_grad_()
            phonemes = torch.cat([part[1] for part in call.parts]).requires_grad_()
            given = [part[2] for part in call.parts if part[2] is not None]
            if call.scale is None:
                raise CtapError("a joint loss without a scale")
            scale = call.scale.clone().requires_grad_()
            with torch.enable_grad():
                total = loss(speech, phonemes, scale, torch.cat(given) if given else None)
                to_speech, to_phonemes, call.to_scale = torch.autograd.grad(total, (speech, phonemes, scale))
            call.total = total.detach()
            call.gradients = list(zip(to_speech.split(sizes), to_phonemes.split(sizes), strict=True))
            call.parts = []
        self._micro, self._solved = -1, True
