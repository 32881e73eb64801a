"""Linear layers: the product and its gradients are those of torch, whichever kernel makes them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.linear import LEAST, Linear, linear


def of_both(shape: tuple[int, ...], outputs: int, dtype: torch.dtype, bias: bool) -> list[list[torch.Tensor]]:
    """Product and gradients by ours and by torch's."""
    torch.manual_seed(0)
    x, weight, shift = torch.randn(shape), torch.randn(outputs, shape[-1]), torch.randn(outputs)
    found = []
    for product in (linear, F.linear):
        given = [t.to(dtype).requires_grad_() for t in ([x, weight, shift] if bias else [x, weight])]
        out = product(given[0].transpose(0, 1), *given[1:]) if len(shape) > 2 else product(*given)
        (out * torch.linspace(0, 1, out.numel(), dtype=dtype).view_as(out)).sum().backward()
        found.append([out.detach(), *[t.grad for t in given]])  # type: ignore[list-item]  # there is one
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("shape", "outputs"), [((70, 300), 257), ((3, 90, 300), 64), ((2, 8), 4)])
def test_product_and_gradients_are_those_of_torch(shape: tuple[int, ...], outputs: int, bias: bool) -> None:
    for ours, theirs in zip(*of_both(shape, outputs, torch.float32, bias)):
        assert ours.shape == theirs.shape and ours.layout == torch.strided
        assert torch.linalg.norm(ours - theirs) <= 1e-6 * torch.linalg.norm(theirs)


def test_double_precision_is_left_to_torch() -> None:
    for ours, theirs in zip(*of_both((70, 300), 257, torch.float64, True)):
        assert torch.equal(ours, theirs)


def test_large_float32_products_on_the_cpu_are_of_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = []
    monkeypatch.setattr(F, "linear", lambda x, *rest: layouts.append(x.layout) or torch.zeros(1).to_mkldnn())
    side = round(LEAST ** (1 / 3)) + 1
    linear(torch.zeros(side, side), torch.zeros(side, side))
    assert layouts == [torch._mkldnn]


def test_a_linear_layer_begins_and_is_saved_as_that_of_torch() -> None:
    torch.manual_seed(1)
    ours = Linear(5, 7)
    torch.manual_seed(1)
    theirs = nn.Linear(5, 7)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))
    theirs.load_state_dict(ours.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(torch.zeros(3, 5)).dtype == torch.bfloat16
