"""A mixer that learns is not left unasked without a word."""

import warnings

import pytest
import torch

from spear_amal import LossMixer

N, B = 29, 7


def mixer_of(name="amal", **options):
    return LossMixer(name, ["label", "teacher"], n_rows=N, **options)


def train(mixer, epochs):
    for _ in range(epochs):
        for rows in torch.randperm(N).split(B):
            mixer(torch.ones(len(rows), 2, requires_grad=True), rows)


def test_a_loop_that_never_asks_is_told_once():
    mixer = mixer_of(warmup=1)
    train(mixer, 2)  # once more than is needed, for a loop may take rows twice
    with pytest.warns(UserWarning, match=r"Amal has not been refreshed .*refresh_due") as said:
        train(mixer, 5)
    assert len(said) == 1
    assert said[0].filename == __file__


@pytest.mark.parametrize("name", ["fixed", "uncertainty", "superloss"])
def test_mixers_that_learn_nothing_have_nothing_to_ask(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(mixer_of(name, **({"tau": 1.0} if name == "superloss" else {})), 11)


def test_whoever_asks_or_refreshes_is_left_alone():
    asking, other = mixer_of(warmup=1), mixer_of(warmup=1)
    asking.refresh_due(0)
    net = torch.nn.Linear(3, 2)
    x, rows = torch.ones(N, 3), torch.arange(N)
    other.refresh(
        ((rows, net(x)) for _ in range(1)), ((net(x), rows % 2) for _ in range(1)), model=net
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mixer in (asking, other):
            train(mixer, 5)


def test_without_an_end_in_sight():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(mixer_of(warmup=10**9), 5)
