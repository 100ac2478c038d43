"""The pool of members' probabilities: against enumeration, finite differences, known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from spear_amal.maths.log_linear_pool import (
    CLASS_STRENGTH,
    LOG_FLOOR,
    STRENGTHS,
    Pool,
    fit_pool,
    fit_weights,
)

PRIOR = np.array([0.5, 0.5, 0.0])


def _members(rng, n=60, n_classes=3, quality=(2.0, 1.0, 0.0)):
    """Members whose log probabilities lean to gold by their quality."""
    y = rng.integers(n_classes, size=n)
    logits = rng.normal(size=(len(quality), n, n_classes))
    logits[:, np.arange(n), y] += np.array(quality)[:, None]
    return logits - np.log(np.exp(logits).sum(2, keepdims=True)), y


def _loss(values, log_p, y, prior, strength):
    """The penalised loss, row by row in plain Python."""
    weights, by_class = values[: len(prior)], values[len(prior) :]
    total = strength * float(((weights - prior) ** 2).sum())
    total += CLASS_STRENGTH * float((by_class**2).sum())
    for i, gold in enumerate(y):
        logs = [w * np.maximum(p[i], LOG_FLOOR) for w, p in zip(weights, log_p, strict=True)]
        products = np.exp(np.sum(logs, axis=0) + by_class)
        total -= float(np.log(products[gold] / products.sum()))
    return total


def test_a_pool_is_the_normalised_product_of_powers():
    p = np.array([[[0.7, 0.3]], [[0.2, 0.8]]])
    product = np.array([0.7**2 * 0.2**0.5, 0.3**2 * 0.8**0.5])
    pooled = np.exp(Pool(np.array([2.0, 0.5]), np.zeros(2)).log_proba(np.log(p)))
    np.testing.assert_allclose(pooled[0], product / product.sum())


@given(st.integers(0, 200), st.sampled_from([0.5, 3.0, 10.0]))
def test_the_weights_are_the_minimum(seed, strength):
    log_p, y = _members(np.random.default_rng(seed), n=30)
    fitted = fit_weights(log_p, y, PRIOR, strength)
    assert (fitted.weights >= 0).all()
    values = np.append(fitted.weights, fitted.by_class)
    slope = approx_fprime(values, _loss, 1e-6, log_p, y, PRIOR, strength)
    free = np.append(fitted.weights > 1e-9, np.ones(3, dtype=bool))
    # Zero where a number is free, and no way down where a weight is held at 0.
    np.testing.assert_allclose(slope[free], 0, atol=2e-2)
    assert (slope[~free] > -2e-2).all()


def test_a_member_of_no_use_gets_little_weight():
    rng = np.random.default_rng(0)
    log_p, y = _members(rng, n=400, quality=(3.0, 0.0, 0.0))
    weights = fit_pool(log_p, y, rng.integers(5, size=400), PRIOR).pool.weights
    assert weights[0] > 2 * weights[1:].max()


def test_a_stronger_pull_is_nearer_to_the_prior():
    log_p, y = _members(np.random.default_rng(1))
    away = [abs(fit_weights(log_p, y, PRIOR, s).weights - PRIOR).sum() for s in (*STRENGTHS, 1e6)]
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
    fitted = fit_weights(log_p, y, PRIOR, 3.0)
    members = fit_weights(log_p[list(order)], y, PRIOR[list(order)], 3.0)
    np.testing.assert_allclose(members.weights, fitted.weights[list(order)], atol=1e-3)
    classes = fit_weights(log_p[:, :, list(order)], np.argsort(order)[y], PRIOR, 3.0)
    np.testing.assert_allclose(classes.weights, fitted.weights, atol=1e-3)
    np.testing.assert_allclose(classes.by_class, fitted.by_class[list(order)], atol=1e-3)


def test_a_class_that_members_count_twice_is_found_again():
    """Two members that say the prior shares alone are undone by the terms by class."""
    y = np.repeat([0, 1], [90, 10])
    log_p = np.log(np.tile([0.9, 0.1], (2, 100, 1)))
    fitted = fit_weights(log_p, y, np.array([1.0, 1.0]), 1e4)
    np.testing.assert_allclose(np.exp(fitted.log_proba(log_p)[0]), [0.9, 0.1], atol=0.02)


def test_one_member_alone_is_left_as_it_is():
    log_p, y = _members(np.random.default_rng(5))
    fitted = fit_pool(log_p[:1], y, np.arange(len(y)) % 3, np.ones(1))
    np.testing.assert_array_equal(fitted.log_p, log_p[0])
    np.testing.assert_allclose(fitted.pool.log_proba(np.maximum(log_p[:1], -9)), log_p[0])
