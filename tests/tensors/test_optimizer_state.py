"""An optimizer goes on from its state as if nothing had happened."""

import copy

import pytest
import torch
from torch import nn

from spear_amal.tensors.optimizer_state import load_optimizer_tensors, optimizer_tensors

D, C, N = 5, 3, 11
MAKERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adam, fused": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
}


def steps(model, optimizer, n):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(N, D, generator=generator), torch.arange(N) % C
    for _ in range(n):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_state_goes_out_and_comes_back(make):
    model = nn.Linear(D, C)
    optimizer = make(model.parameters())
    steps(model, optimizer, 2)
    kept = copy.deepcopy(optimizer_tensors(optimizer))
    again = copy.deepcopy(model)
    other = make(again.parameters())
    load_optimizer_tensors(other, kept)
    before = copy.deepcopy(kept)
    steps(model, optimizer, 3)
    steps(again, other, 3)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name], before[name]) for name in kept), "what was given was changed"


def test_an_optimizer_that_made_no_step_has_no_state():
    optimizer = MAKERS["adam"](nn.Linear(D, C).parameters())
    assert optimizer_tensors(optimizer) == {}
    load_optimizer_tensors(optimizer, {})
    assert optimizer_tensors(optimizer) == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_state_may_come_from_another_device(make):
    model = nn.Linear(D, C)
    optimizer = make(model.parameters())
    steps(model, optimizer, 2)
    on_gpu = {name: tensor.cuda() for name, tensor in optimizer_tensors(optimizer).items()}
    again = copy.deepcopy(model)
    other = make(again.parameters())
    load_optimizer_tensors(other, on_gpu)
    steps(model, optimizer, 1)
    steps(again, other, 1)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
