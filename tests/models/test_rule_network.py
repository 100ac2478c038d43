"""The rule network: pairs that fired and no others, sparse as dense, and back from its state."""

import pytest
import scipy.sparse as sp
import torch

from spear_amal.batch import Batch
from spear_amal.maths import implication
from spear_amal.models import RuleNetwork
from spear_amal.tensors.sparse_rows import SparseRows

B, D, M, C = 7, 11, 5, 3
K = torch.tensor([0, 2, 1, 2, 0])


def network(hidden=(13,), seed=0):
    net = RuleNetwork(D, C, K, hidden, torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():  # away from the tiny start, so that every part matters
        for p in net.parameters():
            p.normal_(generator=torch.Generator().manual_seed(p.numel()))
    return net


def batch(n=B, share=0.5, sparse=False):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(n, D, generator=generator, dtype=torch.float64)
    x = x * (torch.rand(n, D, generator=generator) < 0.4)
    fired = (torch.rand(n, M, generator=generator) < share).double()
    if sparse:
        x = SparseRows.from_csr(sp.csr_array(x.numpy()), torch.float64)
    none = torch.zeros(n, 0, C, dtype=torch.float64)
    return Batch(torch.arange(n), x, torch.full((n,), -1), fired, torch.zeros_like(fired), none)


def all_pairs(net, x, fired):
    """Every [x_i ; one-hot(j)] through one plain stack of layers, masked at the end."""
    n = len(x)
    pairs = torch.cat([x.repeat_interleave(M, 0), torch.eye(M).double().repeat(n, 1)], dim=1)
    weight = torch.cat([net.of_row.weight, net.of_rule.t()], dim=1)
    inner = torch.relu(pairs @ weight.t() + net.of_row.bias)
    for layer in net.inner[:-1]:
        inner = torch.relu(inner @ layer.weight.t() + layer.bias)
    odds = inner @ net.inner[-1].weight.t() + net.inner[-1].bias
    return odds.view(n, M) * fired


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("hidden", [(13,), (13, 2), (7, 5, 3)])
def test_fired_pairs_equal_the_computation_over_all_pairs(hidden, sparse):
    net, rows = network(hidden), batch()
    expected = all_pairs(net, rows.x, rows.fired)
    assert expected.abs().max() > 0.1
    found = net(batch(sparse=sparse))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    parameters = list(net.parameters())
    slopes = torch.randn(B, M, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    one = torch.autograd.grad((found * slopes).sum(), parameters)
    other = torch.autograd.grad((expected * slopes).sum(), parameters)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", [0, 1, B])
def test_no_pair_fired(n):
    net = network((5, 3))
    odds = net(batch(n, share=0.0))
    assert odds.shape == (n, M)
    assert (odds == 0).all()
    gradients = torch.autograd.grad(odds.sum(), list(net.parameters()))
    assert all((g == 0).all() for g in gradients)
    scores, _ = net.answer(batch(n, share=0.0))
    torch.testing.assert_close(scores.exp(), torch.full((n, C), 1 / C, dtype=torch.float64))


def test_answer_is_scores_and_odds():
    net, rows = network(), batch()
    scores, odds = net.answer(rows)
    assert torch.equal(odds, net(rows))
    assert torch.equal(scores, implication.log_scores(odds, rows.fired, K, C))


@pytest.mark.parametrize("hidden", [(13,), (7, 5)])
def test_a_stored_state_comes_back(hidden):
    net, rows = network(hidden), batch()
    again = RuleNetwork.from_state(net.state_dict(), C).double()
    again.load_state_dict(net.state_dict())  # from_state starts in float32
    assert torch.equal(again(rows), net(rows))
    assert torch.equal(again.k, K)


def test_the_start_is_truncated_and_drawn_from_the_generator_alone():
    before = torch.get_rng_state()
    one, two, three = (
        RuleNetwork(D, C, K, (13,), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    for name, p in one.named_parameters():
        assert torch.equal(p, two.get_parameter(name))
        assert p.abs().max() <= 0.04
        assert ("bias" in name) == bool((p == 0).all())
    assert not torch.equal(one.of_rule, three.of_rule)
