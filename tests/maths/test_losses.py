"""Losses: values against plain formulas, gradients against finite differences, edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.batch import Outputs
from spear_amal.losses import PredictionEntropy, RuleLikelihood
from spear_amal.maths import losses
from spear_amal.maths.losses import domain_counts, weighted_objective

B, C = 7, 5


def entropy(scores):
    return PredictionEntropy().loss(Outputs(scores, scores), None)


def negative_log_marginal(scores):
    return RuleLikelihood().loss(Outputs(scores, scores, scores), None)


TWO_SCORES = {
    "soft_cross_entropy": losses.soft_cross_entropy,
    "kl_divergence": losses.kl_divergence,
}
ONE_SCORE = {"entropy": entropy, "negative_log_marginal": negative_log_marginal}
GOLD = {
    "cross_entropy": losses.cross_entropy,
    "negative_log": losses.negative_log,
}
Y = torch.tensor([0, 4, -1, 2, 2, -1, 1])


def scores(seed, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    draw = scale * torch.randn(B, C, generator=generator, dtype=torch.float64)
    return draw.requires_grad_()


@pytest.mark.parametrize("name", [*TWO_SCORES, *ONE_SCORE, *GOLD])
def test_gradcheck(name):
    a, b = scores(1), scores(2)
    if name in TWO_SCORES:
        assert torch.autograd.gradcheck(TWO_SCORES[name], (a, b))
    elif name in ONE_SCORE:
        assert torch.autograd.gradcheck(ONE_SCORE[name], (a,))
    else:
        assert torch.autograd.gradcheck(lambda z: GOLD[name](z, Y), (a,))


def test_values_equal_plain_formulas():
    a, b = scores(3).detach(), scores(4).detach()
    p, q = (np.exp(s.numpy()) / np.exp(s.numpy()).sum(1, keepdims=True) for s in (a, b))
    expected = {
        "entropy": -(p * np.log(p)).sum(1),
        "kl": (p * np.log(p / q)).sum(1),
        "soft": -(q * np.log(p)).sum(1),
        "gold": [-np.log(p[i, y]) if y >= 0 else 0.0 for i, y in enumerate(Y.tolist())],
        "marginal": -np.log(np.exp(a.numpy()).sum(1)),
    }
    found = {
        "entropy": entropy(a),
        "kl": losses.kl_divergence(a, b),
        "soft": losses.soft_cross_entropy(a, b),
        "gold": losses.cross_entropy(a, Y),
        "marginal": negative_log_marginal(a),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("name", "gradient"),
    [
        ("cross_entropy", lambda p, q: p - torch.eye(C, dtype=torch.float64)[Y.clamp(min=0)]),
        ("soft_cross_entropy", lambda p, q: p - q),
        (
            "entropy",
            lambda p, q: -p * (p.log() - (p * p.log()).sum(1, keepdim=True)),
        ),
        (
            "kl_divergence",
            lambda p, q: p * ((p / q).log() - (p * (p / q).log()).sum(1, keepdim=True)),
        ),
    ],
)
def test_gradients_equal_the_published_closed_forms(name, gradient):
    a, b = scores(5), scores(6).detach()
    p, q = a.detach().softmax(1), b.softmax(1)
    if name == "cross_entropy":
        value = losses.cross_entropy(a, Y)
    elif name == "entropy":
        value = entropy(a)
    else:
        value = TWO_SCORES[name](a, b)
    (found,) = torch.autograd.grad(value.sum(), a)
    expected = gradient(p, q)
    if name == "cross_entropy":
        expected[Y < 0] = 0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*TWO_SCORES, *ONE_SCORE, "cross_entropy"])
def test_certain_scores_stay_finite(name):
    """A probability of exactly zero gives 0 log 0 = 0, not NaN, in value and gradient."""
    hard = torch.zeros(1, 3, dtype=torch.float64)
    hard[0, 0] = 2000.0
    a, b = hard.clone().requires_grad_(), hard.clone().requires_grad_()
    if name in TWO_SCORES:
        value = TWO_SCORES[name](a, b)
    elif name in ONE_SCORE:
        value = ONE_SCORE[name](a)
    else:
        value = losses.cross_entropy(a, torch.tensor([1]))
    (gradient,) = torch.autograd.grad(value.sum(), a)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


@given(st.integers(0, 2**31), st.floats(0.1, 30))
@settings(max_examples=25)
def test_permuting_classes_permutes_nothing_but_the_classes(seed, scale):
    a, b = scores(seed, scale).detach(), scores(seed + 1, scale).detach()
    order = torch.randperm(C, generator=torch.Generator().manual_seed(seed))
    inverse = torch.argsort(order)
    y = torch.where(Y >= 0, inverse[Y.clamp(min=0)], Y)
    for function in TWO_SCORES.values():
        torch.testing.assert_close(function(a, b), function(a[:, order], b[:, order]))
    torch.testing.assert_close(losses.cross_entropy(a, Y), losses.cross_entropy(a[:, order], y))
    assert (losses.kl_divergence(a, b) >= -1e-9).all()


def test_objective_divides_by_the_domain_and_ignores_what_lies_outside():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(B, 3, generator=generator, dtype=torch.float64)
    applies = torch.tensor([[1, 0, 0]] * 3 + [[1, 1, 0]] * 4, dtype=torch.bool)
    values[0, 1] = torch.nan  # outside its domain
    weights = torch.rand(B, 3, generator=generator, dtype=torch.float64)
    expected = (weights[:, 0] * values[:, 0]).sum() / 7
    expected = expected + (weights[3:, 1] * values[3:, 1]).sum() / 4
    torch.testing.assert_close(weighted_objective(values, weights, applies), expected)
    assert domain_counts(applies).tolist() == [7, 4, 1]


def test_weights_of_one_reproduce_the_unweighted_objective_bit_for_bit():
    values = torch.rand(B, 3, generator=torch.Generator().manual_seed(1))
    applies = torch.rand(B, 3, generator=torch.Generator().manual_seed(2)) < 0.7
    plain = sum(
        torch.where(applies[:, k], values[:, k], torch.zeros(())).sum() / applies[:, k].sum()
        for k in range(3)
    )
    weighted = weighted_objective(values, torch.ones_like(values), applies)
    assert torch.equal(weighted, torch.stack([plain]).sum())
