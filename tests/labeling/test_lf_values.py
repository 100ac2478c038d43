"""Values of LFs: closed forms against all orders and against votes counted anew."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from spear_amal.labeling import lf_values
from spear_amal.votes.label_matrix import LabelMatrix


def drawn(n=37, m=5, C=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(C, size=n)
    votes = np.where(rng.random((n, m)) < 0.6, y[:, None], rng.integers(C, size=(n, m)))
    return np.where(rng.random((n, m)) < 0.35, -1, votes), y


def share_right(votes, y, C):
    """Mean share of right votes, 1 / C on rows without any."""
    fired = (votes >= 0).sum(1)
    right = (votes == y[:, None]).sum(1)
    return np.where(fired > 0, right / np.maximum(fired, 1), 1 / C).mean()


def test_values_are_those_of_all_orders():
    votes, y = drawn()
    m = votes.shape[1]
    expected = np.zeros(m)
    for order in itertools.permutations(range(m)):
        for place, lf in enumerate(order):
            before, after = list(order[:place]), list(order[: place + 1])
            expected[lf] += share_right(votes[:, after], y, 3) - share_right(votes[:, before], y, 3)
    table = lf_values(votes, y)
    np.testing.assert_allclose(table["value"], expected / math.factorial(m), atol=1e-12)
    assert table["value"].sum() == pytest.approx(share_right(votes, y, 3) - 1 / 3)


def majority_credit(votes, y, C):
    credit = []
    for row, gold in zip(votes, y, strict=True):
        counts = np.bincount(row[row >= 0], minlength=C)
        top = np.flatnonzero(counts == counts.max())
        credit.append((gold in top) / len(top))
    return np.mean(credit)


@pytest.mark.parametrize("seed", range(3))
def test_gains_are_those_of_votes_counted_anew(seed):
    votes, y = drawn(seed=seed)
    votes[:, 0] = np.where(votes[:, 0] >= 0, (y + 1) % 3, -1)  # always one class off
    table = lf_values(LabelMatrix.from_dense(votes, classes=["a", "b", "c"]), y)
    now = majority_credit(votes, y, 3)
    for lf in range(5):
        without = votes.copy()
        without[:, lf] = -1
        assert table["dropping"][lf] == pytest.approx(majority_credit(without, y, 3) - now)
        tried = {"drop": without[:, lf]}
        others = np.delete(votes, lf, 1)
        differ = ((others >= 0) & (others != votes[:, [lf]])).any(1) & (votes[:, lf] >= 0)
        tried["mute where others differ"] = np.where(differ, -1, votes[:, lf])
        for a, b in itertools.permutations(range(3), 2):
            tried[f"re-point {'abc'[a]} to {'abc'[b]}"] = np.where(
                votes[:, lf] == a, b, votes[:, lf]
            )
            tried[f"mute its {'abc'[a]}"] = np.where(votes[:, lf] == a, -1, votes[:, lf])
        gains = {}
        for change, column in tried.items():
            changed = votes.copy()
            changed[:, lf] = column
            gains[change] = majority_credit(changed, y, 3) - now
        best = max(gains.values())
        assert table["gain"][lf] == pytest.approx(max(best, 0), abs=1e-12)
        if best > 1e-9:
            assert gains[table["change"][lf]] == pytest.approx(best)
            assert table["gain low"][lf] <= best <= table["gain high"][lf]
    assert table["change"][0] != "keep" and not table["sure"][1:].any()


def test_a_function_that_points_the_wrong_way_is_re_pointed():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=900)
    wrong = np.where((y == 1) & (rng.random(900) < 0.8), 0, -1)
    fair = np.where(rng.random(900) < 0.75, y, 1 - y)
    votes = np.stack([wrong, fair], axis=1)
    gold = np.where(np.arange(900) < 200, y, -1)
    table = lf_values(LabelMatrix.from_dense(votes, classes=["ham", "spam"]), gold)
    assert table["change"][0] == "re-point ham to spam" and table["sure"][0]
    assert table["value"][0] < 0 < table["value"][1]


def test_few_gold_rows_make_nothing_sure():
    votes, y = drawn(n=200, m=7, C=2, seed=4)
    gold = np.where(np.arange(200) < 12, y, -1)
    table = lf_values(votes, gold)
    assert not table["sure"].any()
    assert (table["dropping low"] <= 0).all() and (table["dropping high"] >= 0).all()


def test_rows_without_gold_narrow_the_intervals():
    rng = np.random.default_rng(2)
    y = rng.integers(2, size=2000)
    votes = np.where(rng.random((2000, 6)) < 0.85, y[:, None], 1 - y[:, None])
    few = np.where(np.arange(2000) < 120, y, -1)
    alone, powered = lf_values(votes[:120], y[:120]), lf_values(votes, few)
    widths = [table["value high"] - table["value low"] for table in (alone, powered)]
    assert (widths[1] < widths[0]).all()


def test_without_gold_there_is_nothing_to_tell():
    assert lf_values(np.zeros((5, 2), dtype=int), [-1] * 5).empty
    silent = lf_values(np.array([[0, -1], [1, -1]]), [0, 1])
    assert silent["value"][1] == 0 and silent["change"][1] == "keep"
