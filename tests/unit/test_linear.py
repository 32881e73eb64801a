"""Linear layers: the product and its gradients are those of torch, whichever kernel makes them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ctaplib.nn.linear import LEAST, STEPS, Linear, _packed, linear


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
    layouts, product = [], F.linear
    monkeypatch.setattr(F, "linear", lambda x, *rest: layouts.append(x.layout) or product(x, *rest))
    side = round(LEAST ** (1 / 3)) + 1
    assert linear(torch.zeros(side, side), torch.zeros(side, side)).shape == (side, side)
    assert linear(torch.zeros(1, 1, 1, 1, side, side), torch.zeros(side, side)).shape == (1, 1, 1, 1, side, side)
    assert layouts == [torch._mkldnn, torch._mkldnn]


def test_kernels_are_made_for_a_few_numbers_of_rows() -> None:
    # Every kernel is kept: one for each length of an utterance would fill the memory.
    packed = {rows: len(_packed(torch.zeros(rows, 1))) for rows in range(1, 5000)}
    assert all(rows <= full < rows * (1 + 1 / STEPS) + STEPS for rows, full in packed.items())
    assert len(set(packed.values())) <= STEPS * 7


def test_nothing_but_dense_inputs_is_kept_for_the_gradient() -> None:
    kept = []
    x, weight = torch.randn(300, 200).relu().requires_grad_(), torch.randn(200, 200, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        linear(x, weight)
    assert {t.data_ptr() for t in kept} == {x.data_ptr(), weight.data_ptr()}


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_gradients_that_are_wanted_are_made(wanted: tuple[bool, bool, bool]) -> None:
    given = [t.requires_grad_(w) for t, w in zip((torch.randn(90, 300), torch.randn(257, 300), torch.randn(257)), wanted)]
    linear(*given).sum().backward()
    assert tuple(t.grad is not None for t in given) == wanted


def test_what_does_not_fit_is_told_as_by_torch() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linear(torch.zeros(300, 200), torch.zeros(200, 199))


def test_a_linear_layer_begins_and_is_saved_as_that_of_torch() -> None:
    torch.manual_seed(1)
    ours = Linear(5, 7)
    torch.manual_seed(1)
    theirs = nn.Linear(5, 7)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))
    theirs.load_state_dict(ours.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(torch.zeros(3, 5)).dtype == torch.bfloat16
