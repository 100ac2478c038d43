"""Mixers go through the network as often as the formulas of their papers say, and no more."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from mixer_costs import BATCHES, CASES, LOSSES, M, N, T, count
from passes import counted

TITLES = {case.title: case for case in CASES}


@pytest.mark.parametrize("title", TITLES)
def test_passes_per_step_are_those_of_the_formula(title):
    case = TITLES[title]
    found = count(case, "mlp:7", (1, 3, 3), batch=5)
    assert found["backward"] == pytest.approx(case.backward)
    assert found["forward"] == pytest.approx(case.forward)


def test_the_papers_numbers():
    """Supplement of MAOAL, section 4, with N losses and an upper step in T."""
    assert (N, T, M) == (len(LOSSES), 5, 3) and BATCHES % T == 0
    assert TITLES["auxilearn"].backward == 1 + 5 / T
    assert TITLES["maoal"].backward == pytest.approx(N + (N + 4) / T)
    assert TITLES["gcs, shared parameters"].backward == N


def test_only_passes_through_the_whole_network_count():
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    x = torch.ones(7, 3)
    with counted(network) as passes:
        value = network(x).square().sum()
        head = torch.autograd.grad(value, network[2].weight, retain_graph=True)
        assert passes.backward == 0 and head[0].any()
        value.backward()
        assert (passes.backward, passes.sweeps, passes.forward) == (1, 1, 1)
        with torch.no_grad():
            network(x)
        assert passes.forward == 2


def test_a_product_with_the_hessian_is_one_pass_over_two_graphs():
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    parameters = list(network.parameters())
    with counted(network) as passes:
        value = network(torch.ones(7, 3)).square().sum()
        gradient = torch.autograd.grad(value, parameters, create_graph=True)
        assert (passes.backward, passes.sweeps) == (1, 1)
        torch.autograd.grad(gradient, parameters, [torch.ones_like(g) for g in gradient])
        assert (passes.backward, passes.sweeps, passes.second) == (2, 3, 1)


def test_counting_leaves_nothing_behind():
    before = torch.autograd.grad, torch.autograd.backward
    network = nn.Linear(3, 2)
    with pytest.raises(KeyError), counted(network):
        raise KeyError
    assert (torch.autograd.grad, torch.autograd.backward) == before
    assert not network._forward_hooks
