"""Tests of many conditions: exact chances, and luck that is kept to its share."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import scipy.sparse as sp

from spear_amal.suggest.many_tests import LEVEL, try_conditions, upper_tail


def test_tails_are_those_of_all_draws() -> None:
    g, n, k = 11, 4, 5
    exact = [
        sum(comb(n, i) * comb(g - n, k - i) for i in range(r, k + 1) if k - i <= g - n) / comb(g, k)
        for r in range(k + 1)
    ]
    assert upper_tail(g, n, k) == pytest.approx(exact)
    assert upper_tail(g, 0, 0).tolist() == [1.0]


def test_counts_and_a_perfect_condition() -> None:
    gold = np.array([0] * 17 + [1] * 13)
    holds = np.stack([gold == 1, np.arange(30) % 2 == 0, np.zeros(30, bool)], axis=1)
    tests = try_conditions(sp.csc_array(holds), gold, 2)
    assert tests.votes.tolist() == [13, 15, 0]
    assert tests.right[:, 1].tolist() == [13, int(gold[::2].sum()), 0]
    assert tests.p_value[0, 1] == pytest.approx(1 / comb(30, 13))
    assert tests.adjusted[0, 1] == 1 / 1000
    assert tests.adjusted[0, 0] == tests.adjusted[2, 0] == 1
    assert tests.adjusted[1].min() > LEVEL
    assert tests.n_tried >= 2


def test_same_rows_count_once_and_cost_nothing() -> None:
    rng = np.random.default_rng(3)
    gold = np.arange(40) % 2
    holds = np.concatenate([(rng.random((40, 23)) < 0.3), (gold == 1)[:, None]], axis=1)
    once = try_conditions(sp.csc_array(holds), gold, 2)
    twice = try_conditions(sp.csc_array(np.concatenate([holds, holds], axis=1)), gold, 2)
    assert twice.n_tried == once.n_tried
    assert twice.threshold == once.threshold
    assert np.array_equal(twice.adjusted, np.concatenate([once.adjusted, once.adjusted]))


def test_adjusted_never_fall_below_and_keep_the_order() -> None:
    rng = np.random.default_rng(5)
    gold = rng.integers(3, size=61)
    holds = rng.random((61, 101)) < 0.2
    tests = try_conditions(sp.csc_array(holds), gold, 3, n_permutations=199)
    p, adjusted = tests.p_value.ravel(), tests.adjusted.ravel()
    assert (adjusted >= p - 0.06).all()  # of 199 permutations
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order][p[order] <= LEVEL]) >= 0).all()


@pytest.mark.parametrize("gold", [[], [1], [0, 0, 0, 0]])
def test_nothing_can_be_told(gold: list[int]) -> None:
    holds = sp.csc_array(np.ones((len(gold), 2), bool))
    tests = try_conditions(holds, np.array(gold, dtype=int), 2)
    assert tests.n_tried == 0 and (tests.adjusted == 1).all()
    assert tests.threshold == 0


def test_luck_passes_in_one_list_of_twenty_at_most() -> None:
    """Conditions that hang together, as words do; gold that has nothing to do with them."""
    rng = np.random.default_rng(7)
    draws, passed, naive = 150, 0, 0
    topics = rng.random((53, 5)) < 0.4
    for seed in range(draws):
        gold = rng.permutation(np.arange(53) % 2)
        own = rng.random((53, 67)) < 0.15
        holds = sp.csc_array(own | topics[:, np.arange(67) % 5])
        tests = try_conditions(holds, gold, 2, n_permutations=99, seed=seed)
        passed += bool((tests.adjusted <= LEVEL).any())
        naive += bool((tests.p_value <= LEVEL).any())
    assert naive > draws / 2  # without the correction luck passes nearly always
    assert passed <= 0.05 * draws + 2 * np.sqrt(draws * 0.05 * 0.95)
