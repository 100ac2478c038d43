"""FlyingSquid's triplets: exact on the moments of a known generator, and cautious without overlap.

A generator whose probabilities are whole parts of a number gives each pattern of votes on a whole
number of rows: its moments are exact, and so must be what is learnt.
"""

from itertools import product

import numpy as np
import pytest

from spear_amal.errors import InputError
from spear_amal.label_models import FlyingSquid, MajorityVote


def enumerated(tables, balance):
    """All patterns (n, m), one row for each time, of tables P(answer | y) in whole parts.

    `tables`: for each LF a dict of answer (-1 or class) to parts for each class.
    """
    rows, truth = [], []
    for answers in product(*[table for table in tables]):
        for y, share in enumerate(balance):
            parts = [table[answer][y] for table, answer in zip(tables, answers, strict=True)]
            times = share * int(np.prod(parts))
            rows += [answers] * times
            truth += [y] * times
    return np.array(rows), np.array(truth)


def one_class(k, inside, outside, n_classes, whole):
    """An LF that votes `k` on `inside` of `whole` rows of its class, `outside` of others."""
    fires = [inside if y == k else outside for y in range(n_classes)]
    return {k: fires, -1: [whole - part for part in fires]}


def bayes(tables, balance, row, silent):
    """P(y | row) of independent LFs; silence counts of LFs in `silent` only."""
    p = np.array(balance, dtype=float)
    for j, (table, answer) in enumerate(zip(tables, row, strict=True)):
        if answer >= 0 and j not in silent:  # its silence says nothing: given that it fires
            fires = sum(np.array(table[v], dtype=float) for v in table if v >= 0)
            p *= np.array(table[answer]) / fires
        elif j in silent:
            p *= table[answer]
    return p / p.sum()


@pytest.mark.parametrize("balance", [(1, 1), (3, 1)])
def test_two_classes_are_exact(balance):
    tables = [
        one_class(0, 3, 1, 2, 4),
        one_class(1, 3, 1, 2, 4),
        one_class(1, 2, 1, 2, 4),
        one_class(0, 1, 2, 2, 4),  # worse than chance
        {0: [2, 1], 1: [1, 2], -1: [1, 1]},
    ]
    votes, _y = enumerated(tables, balance)
    shares = np.array(balance) / sum(balance)
    model = FlyingSquid(prior_strength=0, class_balance=shares).fit(votes)
    for j, table in enumerate(tables[:4]):
        k = max(table)
        np.testing.assert_allclose(model.conditionals_[j, k], np.array(table[k]) / 4, atol=1e-9)
        np.testing.assert_allclose(model.abstains_[j], np.array(table[-1]) / 4, atol=1e-9)
    np.testing.assert_allclose(model.conditionals_[4], [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], atol=1e-9)
    assert model.one_class_.tolist() == [True] * 4 + [False]
    rows = np.unique(votes, axis=0)
    rows = rows[(rows >= 0).any(1)]
    expected = [bayes(tables, balance, row, {0, 1, 2, 3}) for row in rows]
    np.testing.assert_allclose(model.predict_proba(rows), expected, atol=1e-8)


def test_three_classes_are_exact_where_errors_are_even():
    tables = [one_class(k, 2, 1, 3, 3) for k in (0, 0, 1, 2)] + [one_class(1, 1, 0, 3, 3)]
    tables += [one_class(2, 2, 0, 3, 3), one_class(1, 2, 1, 3, 3), one_class(0, 1, 0, 3, 3)]
    tables += [one_class(2, 1, 0, 3, 3)]
    balance = (1, 2, 1)
    # The moments of pairs are all that is learnt from: patterns are counted, not repeated.
    patterns = np.array(list(product(*[list(table) for table in tables])))
    times = np.array(
        [
            sum(
                share * np.prod([t[a][y] for t, a in zip(tables, row, strict=True)])
                for y, share in enumerate(balance)
            )
            for row in patterns
        ]
    )
    scaled = np.repeat(patterns, times // np.gcd.reduce(times[times > 0]), axis=0)
    model = FlyingSquid(prior_strength=0, class_balance=[0.25, 0.5, 0.25]).fit(scaled)
    for j, table in enumerate(tables):
        k = max(table)
        learnt = model.conditionals_[j, k]
        np.testing.assert_allclose(learnt, np.array(table[k]) / 3, atol=1e-3)


def test_without_triplets_lfs_stay_as_believed():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    fires = rng.random((600, 2)) < np.where(y[:, None] == [0, 1], 0.5, 0.2)
    votes = np.where(fires, [0, 1], -1)
    for prior in (0.7, 0.8):
        model = FlyingSquid(prior_accuracy=prior).fit(votes)
        np.testing.assert_allclose(model.get_weights(), prior)
    covered = votes[fires.any(1)]
    one = covered[(covered >= 0).sum(1) == 1]
    np.testing.assert_array_equal(model.predict(one), MajorityVote().fit(votes).predict(one))


def test_gold_gives_the_class_balance_and_nothing_else():
    rng = np.random.default_rng(1)
    y = (rng.random(500) < 0.2).astype(int)
    votes = np.where(
        rng.random((500, 5)) < 0.5,
        np.where(rng.random((500, 5)) < 0.8, y[:, None], 1 - y[:, None]),
        -1,
    )
    gold = np.where(np.arange(500) < 99, y, -1)
    counted = (np.bincount(y[:99], minlength=2) + 1) / 101
    learnt = FlyingSquid().fit(votes, gold)
    np.testing.assert_allclose(learnt.class_balance_, counted)
    given = FlyingSquid(class_balance=counted).fit(votes)
    np.testing.assert_array_equal(learnt.predict_proba(votes), given.predict_proba(votes))
    assert FlyingSquid().fit(votes).class_balance_.tolist() == [0.5, 0.5]


def test_parameters_are_checked():
    for wrong in ({"prior_accuracy": 1.0}, {"prior_strength": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            FlyingSquid(**wrong).fit([[0, 1], [1, 0]])
