"""Gradients of several losses, the scalar that hands gradients over, and what reaches what."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spear_amal.maths.gradients import combined, filled, gradient_of, inner, reaches, with_gradients

B, D, H = 5, 7, 11


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.first, self.second = nn.Linear(D, H), nn.Linear(H, 1), nn.Linear(H, 1)
        self.unused = nn.Parameter(torch.ones(3))
        self.double()

    def values(self, x):
        hidden = torch.tanh(self.trunk(x))
        return [self.first(hidden).square().mean(), self.second(hidden).square().mean()]


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return TwoHeads(), torch.randn(B, D, dtype=torch.float64)


def plain(net, x, weights=(1.0, 1.0)):
    """Gradients of a weighted sum by ordinary means."""
    net.zero_grad(set_to_none=True)
    sum(w * v for w, v in zip(weights, net.values(x), strict=True)).backward()
    found = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    net.zero_grad(set_to_none=True)
    return found


def assert_equal(found, expected, factor=1.0):
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, factor * other)


# -- gradients of one loss ------------------------------------------------------------------------


def test_gradients_are_none_where_a_loss_does_not_reach(net):
    net, x = net
    parameters = list(net.parameters())
    first, second = net.values(x)
    found = gradient_of(first, parameters)
    names = [name for name, _ in net.named_parameters()]
    missing = [name for name, g in zip(names, found, strict=True) if g is None]
    assert missing == ["unused", "second.weight", "second.bias"]
    assert all(p.grad is None for p in parameters)
    both = [filled(gradient_of(value, parameters), parameters) for value in (first, second)]
    summed = [a + b for a, b in zip(*both, strict=True)]
    assert_equal(summed, filled(plain(net, x), parameters))
    assert all(g.shape == p.shape for g, p in zip(summed, parameters, strict=True))


def test_a_value_without_a_graph_reaches_nothing(net):
    net, x = net
    parameters = list(net.parameters())
    assert gradient_of(net.values(x)[0].detach(), parameters) == [None] * len(parameters)


def test_a_gradient_may_have_a_graph_of_its_own():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    (slope,) = gradient_of((w**3).sum(), [w], create_graph=True)
    (curve,) = gradient_of(slope.sum(), [w])
    assert curve.tolist() == [12.0, 18.0]
    assert not gradient_of((w**3).sum(), [w])[0].requires_grad


def test_inner_products_skip_what_either_does_not_reach():
    one = [torch.tensor([1.0, 2.0]), None, torch.tensor([[3.0]])]
    other = [torch.tensor([5.0, 7.0]), torch.tensor(1.0), torch.tensor([[11.0]])]
    assert inner(one, other).item() == 5 + 14 + 33
    assert inner(one, [None, other[1], None]).item() == 0
    assert inner([], []).item() == 0


# -- handing gradients over -----------------------------------------------------------------------


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e4))
def test_backward_gives_the_gradients_times_what_comes_in(value, scale):
    w = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    v = torch.zeros((), dtype=torch.float64, requires_grad=True)
    given_ = [torch.arange(6.0, dtype=torch.float64).view(3, 2), torch.tensor(7.0).double()]
    scalar = with_gradients(torch.tensor(value, dtype=torch.float64), [w, v], given_)
    assert scalar.item() == value
    (scalar * scale + 1).backward()  # as a gradient scaler does, and a penalty beside it
    torch.testing.assert_close(w.grad, given_[0] * scale)
    torch.testing.assert_close(v.grad, given_[1] * scale)


def test_a_loss_that_is_scaled_accumulated_and_unscaled_ends_at_the_same_gradient(net):
    """Two half batches scaled by 2^10, as with GradScaler and accumulation."""
    net, x = net
    parameters = [p for name, p in net.named_parameters() if name != "unused"]
    halves = [x[:2], x[2:]]
    expected = [None] * len(parameters)
    for half in halves:
        now = [g for g in plain(net, half, (1.0, 0.3)) if g is not None]
        expected = [b if a is None else a + b for a, b in zip(expected, now, strict=True)]
    for half in halves:
        values = net.values(half)
        parts = [filled(gradient_of(value, parameters), parameters) for value in values]
        mixed = [a + 0.3 * b for a, b in zip(*parts, strict=True)]
        scalar = with_gradients(values[0] + 0.3 * values[1], parameters, mixed)
        (scalar * 1024).backward()
    assert_equal([p.grad / 1024 for p in parameters], expected)
    assert net.unused.grad is None


def test_the_scalar_adds_up_with_losses_of_its_own_graph(net):
    net, x = net
    parameters = list(net.first.parameters())
    first, second = net.values(x)
    scalar = with_gradients(first, parameters, gradient_of(first, parameters))
    (scalar + second).backward()
    assert_equal([p.grad for p in net.first.parameters()], [g.clone() for g in plain_first(net, x)])


def plain_first(net, x):
    return torch.autograd.grad(net.values(x)[0], list(net.first.parameters()))


def test_backward_may_be_called_twice_where_the_graph_is_kept():
    w = torch.zeros(2, requires_grad=True)
    scalar = with_gradients(torch.tensor(1.0), [w], [torch.tensor([1.0, 2.0])])
    scalar.backward(retain_graph=True)
    scalar.backward()
    assert w.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match="second time"):
        scalar.backward()


def test_one_scalar_may_stand_in_a_sum_twice_and_hooks_see_the_gradient():
    w = torch.zeros(2, requires_grad=True)
    seen = []
    w.register_hook(lambda gradient: seen.append(gradient.tolist()))
    scalar = with_gradients(torch.tensor(1.0), [w], [torch.tensor([1.0, 2.0])])
    (scalar + 2 * scalar).backward()
    assert w.grad.tolist() == [3.0, 6.0]
    assert seen == [[3.0, 6.0]]


def test_gradients_that_are_given_are_left_alone():
    w, given_ = torch.zeros(2, requires_grad=True), torch.tensor([1.0, 2.0])
    (5 * with_gradients(torch.tensor(1.0), [w], [given_])).backward()
    w.grad.zero_()
    assert given_.tolist() == [1.0, 2.0]


def test_a_step_of_an_optimiser_is_the_ordinary_one(net):
    net, x = net
    parameters = list(net.parameters())
    twin = TwoHeads()
    twin.load_state_dict(net.state_dict())
    optimisers = [torch.optim.Adam(n.parameters(), lr=0.1, weight_decay=0.5) for n in (net, twin)]
    for _ in range(3):
        gradient = gradient_of(sum(net.values(x)), parameters)
        pairs = [(p, g) for p, g in zip(parameters, gradient, strict=True) if g is not None]
        scalar = with_gradients(
            torch.tensor(0.0), *(list(part) for part in zip(*pairs, strict=True))
        )
        for optimiser, value in zip(optimisers, (scalar, sum(twin.values(x))), strict=True):
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(parameters, twin.parameters(), strict=True))


# -- several losses put together ------------------------------------------------------------------


def test_gradients_are_put_together_by_factors_of_losses_or_of_each_parameter(net):
    net, x = net
    parameters = list(net.parameters())
    gradients = [gradient_of(value, parameters) for value in net.values(x)]
    assert_equal(combined(gradients, torch.tensor([0.3, 1.7])), plain(net, x, (0.3, 1.7)))
    by_parameter = torch.rand(2, len(parameters), generator=torch.Generator().manual_seed(0))
    found = combined(gradients, by_parameter)
    both = [plain(net, x, weights) for weights in ((1.0, 0.0), (0.0, 1.0))]
    for j, sum_ in enumerate(found):
        known = [
            f * g[j] for f, g in zip(by_parameter[:, j], both, strict=True) if g[j] is not None
        ]
        assert (sum_ is None) == (not known)
        if sum_ is not None:
            torch.testing.assert_close(sum_, sum(known))
    assert combined([[], []], torch.ones(2)) == []


def test_gradients_put_together_keep_their_graph_and_their_dtype():
    w, v = torch.ones(3, requires_grad=True), torch.ones(2, dtype=torch.float64, requires_grad=True)
    values = [w.pow(3).sum() + v.pow(3).sum(), w.pow(2).sum()]
    gradients = [gradient_of(value, [w, v], create_graph=True) for value in values]
    on_w, on_v = combined(gradients, torch.tensor([2.0, 5.0], dtype=torch.float64))
    assert (on_w.dtype, on_v.dtype) == (torch.float32, torch.float64)
    assert torch.autograd.grad(on_w.sum(), w)[0].tolist() == [2 * 6 + 5 * 2] * 3


# -- what reaches what ----------------------------------------------------------------------------


def test_a_trunk_with_two_heads(net):
    net, x = net
    named = dict(net.named_parameters())
    found = reaches(net.values(x), list(named.values()))
    shared = found.all(0)
    assert [n for n, s in zip(named, shared, strict=True) if s] == ["trunk.weight", "trunk.bias"]
    for k, head in enumerate(("first", "second")):
        own = found[k] & ~shared
        assert [n for n, o in zip(named, own, strict=True) if o] == [
            f"{head}.weight",
            f"{head}.bias",
        ]


def test_structure_counts_not_numbers():
    """Zero gradients, values on no row, weights of 0."""
    w, v = torch.zeros(3, requires_grad=True), torch.ones(2, requires_grad=True)
    values = [(w**2).sum(), (0 * v).sum(), w[:0].sum(), (w.detach() + 1).sum(), v.sum() + w.sum()]
    assert reaches(values, [w, v]).tolist() == [
        [True, False],
        [False, True],
        [True, False],
        [False, False],
        [True, True],
    ]


def test_a_parameter_may_be_a_value_itself():
    w, v = torch.ones((), requires_grad=True), torch.ones((), requires_grad=True)
    assert reaches([w, w * v], [w, v]).tolist() == [[True, False], [True, True]]
    assert reaches([], [w, v]).shape == (0, 2)


def test_frozen_parameters_and_graphs_gone_through_before(net):
    net, x = net
    net.trunk.bias.requires_grad_(False)
    values = net.values(x)
    parameters = list(net.parameters())
    before = reaches(values, parameters)
    values[0].backward(retain_graph=True)
    assert torch.equal(reaches(values, parameters), before)
    place = [name for name, _ in net.named_parameters()].index("trunk.bias")
    assert not before[:, place].any()
