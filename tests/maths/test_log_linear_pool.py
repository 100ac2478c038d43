"""The pool of members' probabilities: against enumeration, finite differences, known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from spear_amal.maths.log_linear_pool import LOG_FLOOR, STRENGTHS, fit_pool, fit_weights, pool

PRIOR = np.array([0.5, 0.5, 0.0])


def _members(rng, n=60, n_classes=3, quality=(2.0, 1.0, 0.0)):
    """Members whose log probabilities lean to gold by their quality."""
    y = rng.integers(n_classes, size=n)
    logits = rng.normal(size=(len(quality), n, n_classes))
    logits[:, np.arange(n), y] += np.array(quality)[:, None]
    return logits - np.log(np.exp(logits).sum(2, keepdims=True)), y


def _loss(weights, log_p, y, prior, strength):
    """The penalised loss, row by row in plain Python."""
    total = strength * float(((weights - prior) ** 2).sum())
    for i, gold in enumerate(y):
        products = np.exp(
            sum(w * np.maximum(p[i], LOG_FLOOR) for w, p in zip(weights, log_p, strict=False))
        )
        total -= float(np.log(products[gold] / products.sum()))
    return total


def test_a_pool_is_the_normalised_product_of_powers():
    p = np.array([[[0.7, 0.3]], [[0.2, 0.8]]])
    product = np.array([0.7**2 * 0.2**0.5, 0.3**2 * 0.8**0.5])
    pooled = np.exp(pool(np.log(p), np.array([2.0, 0.5])))
    np.testing.assert_allclose(pooled[0], product / product.sum())


@given(st.integers(0, 200), st.sampled_from([0.5, 3.0, 10.0]))
def test_the_weights_are_the_minimum(seed, strength):
    log_p, y = _members(np.random.default_rng(seed), n=30)
    weights = fit_weights(log_p, y, PRIOR, strength)
    slope = approx_fprime(weights, _loss, 1e-6, log_p, y, PRIOR, strength)
    assert (weights >= 0).all()
    # Zero where a weight is free, and no way down where one is held at 0.
    np.testing.assert_allclose(slope[weights > 1e-9], 0, atol=2e-2)
    assert (slope[weights <= 1e-9] > -2e-2).all()


def test_a_member_of_no_use_gets_little_weight():
    rng = np.random.default_rng(0)
    log_p, y = _members(rng, n=400, quality=(3.0, 0.0, 0.0))
    weights = fit_pool(log_p, y, rng.integers(5, size=400), PRIOR).weights
    assert weights[0] > 2 * weights[1:].max()


def test_a_stronger_pull_is_nearer_to_the_prior():
    log_p, y = _members(np.random.default_rng(1))
    away = [abs(fit_weights(log_p, y, PRIOR, s) - PRIOR).sum() for s in (*STRENGTHS, 1e6)]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-3


def test_rows_are_scored_by_weights_that_have_not_seen_them():
    rng = np.random.default_rng(2)
    log_p, y = _members(rng)
    fold = np.arange(len(y)) % 4
    before = fit_pool(log_p, y, fold, PRIOR)
    other = np.where(fold == 2, (y + 1) % 3, y)
    after = fit_pool(log_p, other, fold, PRIOR)
    np.testing.assert_array_equal(before.log_p[fold == 2], after.log_p[fold == 2])
    assert not np.array_equal(before.log_p[fold != 2], after.log_p[fold != 2])


def test_one_fold_leaves_the_strongest_pull():
    log_p, y = _members(np.random.default_rng(3), n=4)
    assert fit_pool(log_p, y, np.zeros(4, dtype=int), PRIOR).strength == STRENGTHS[-1]


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_members_and_classes_may_stand_in_any_order(order):
    log_p, y = _members(np.random.default_rng(4))
    weights = fit_weights(log_p, y, PRIOR, 3.0)
    members = fit_weights(log_p[list(order)], y, PRIOR[list(order)], 3.0)
    np.testing.assert_allclose(members, weights[list(order)], atol=1e-4)
    classes = fit_weights(log_p[:, :, list(order)], np.argsort(order)[y], PRIOR, 3.0)
    np.testing.assert_allclose(classes, weights, atol=1e-4)
