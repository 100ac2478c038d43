"""Are LFs better than chance: the verdict on each and the test of all."""

import numpy as np
import pytest

from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.labeling import lf_check, votes_test
from spear_amal.votes.label_matrix import LabelMatrix


def shuffled(votes, seed):
    return votes[np.random.default_rng(seed).permutation(len(votes))]


@pytest.mark.parametrize(("n_classes", "balance"), [(2, None), (2, [0.13, 0.87]), (5, None)])
def test_p_values_are_uniform_if_votes_tell_nothing(n_classes, balance):
    p = []
    for seed in range(211):
        votes, y = synthetic_votes(67, 7, n_classes, 0.8, class_balance=balance, seed=seed)
        p.append(votes_test(shuffled(votes, seed), y, n_permutations=199, seed=seed).p_value)
    below = [(np.array(p) <= level).mean() for level in (0.05, 0.25, 0.5, 0.75)]
    # Four standard errors of a share of 211 rows, at most.
    np.testing.assert_allclose(below, [0.05, 0.25, 0.5, 0.75], atol=4 * 0.5 / np.sqrt(211))
    assert below[0] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 211)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_votes_of_accuracy_three_quarters_are_informative(n_classes):
    votes, y = synthetic_votes(101, 7, n_classes, accuracies=0.75, seed=3)
    found = votes_test(votes, y)
    assert found.p_value == 1 / 2000
    assert found.informative
    assert found.agreement == pytest.approx(0.75, abs=0.1)
    assert found.expected == pytest.approx(1 / n_classes, abs=0.05)


def test_statistic_and_expectation_equal_enumerated_ones():
    votes = np.array([[0, 1, -1], [1, 1, 1], [-1, -1, -1], [0, -1, -1], [2, 2, -1]])
    y = np.array([0, 1, 1, 2, -1])
    found = votes_test(votes, y)
    assert (found.n_rows, found.n_votes) == (3, 6)
    assert found.agreement == pytest.approx((0.5 + 1 + 0) / 3)
    # Shares of gold: 1/4, 2/4, 1/4.
    assert found.expected == pytest.approx((0.5 * 0.25 + 0.5 * 0.5 + 0.5 + 0.25) / 3)


def test_p_value_is_the_share_of_orders_that_agree_as_well():
    y = np.array([0, 0, 1, 1])
    # Of the six distinct orders one reaches T = 4.
    p = votes_test(y[:, None], y, n_permutations=29_989).p_value
    assert p == pytest.approx(1 / 6, abs=0.01)


def test_votes_for_one_class_are_informative_by_where_they_fall():
    y = np.arange(53) % 2
    votes = np.where(y == 1, 1, -1)[:, None]
    assert votes_test(votes, y).p_value == 1 / 2000


def test_votes_against_gold_are_not_informative():
    y = np.arange(53) % 2
    found = votes_test(1 - y[:, None], y)
    assert found.p_value == 1.0
    assert not found.informative


def test_gold_of_one_class_cannot_tell():
    votes, _ = synthetic_votes(31, 3, coverages=1.0, seed=2)
    found = votes_test(votes, np.zeros(31, dtype=int))
    assert found.p_value == 1.0
    assert found.agreement == pytest.approx(found.expected)


@pytest.mark.parametrize("n", [0, 1, 19, 23])
def test_few_voted_gold_rows_leave_the_votes_trusted(n):
    y = np.full(41, -1)
    y[:n] = np.arange(n) % 2
    found = votes_test(np.zeros((41, 3), dtype=int), y)
    assert found.p_value == 1.0
    assert found.n_rows == n
    assert found.informative == (n < 20)


def test_no_rows_at_all():
    found = votes_test(LabelMatrix.from_dense(np.empty((0, 3), dtype=int)), [])
    assert found.informative
    assert np.isnan(found.agreement)


def test_rows_without_gold_are_not_looked_at():
    votes, y = synthetic_votes(61, 3, seed=5)
    known = np.where(np.arange(61) < 37, y, -1)
    assert votes_test(votes, known) == votes_test(votes[:37], y[:37])
    other = votes.to_dense()
    other[37:] = 0
    assert lf_check(other, known).equals(lf_check(votes.to_dense(), known))


def test_chunks_give_the_same_test(monkeypatch):
    votes, y = synthetic_votes(61, 3, accuracies=0.55, seed=5)
    whole = votes_test(votes, y)
    monkeypatch.setattr("spear_amal.labeling.significance._CHUNK", 61 * 7)
    assert votes_test(votes, y) == whole


def test_verdicts():
    y = np.repeat([0, 1, 2], [53, 29, 19])
    votes = np.full((101, 5), -1)
    votes[:, 0] = y
    votes[:, 1] = (y + 1) % 3
    votes[:, 2] = 0  # right as often as class 0 occurs
    votes[:2, 3] = y[:2]
    table = lf_check(LabelMatrix.from_dense(votes, lf_names=list("abcde")), y)
    assert table.index.tolist() == list("abcde")
    assert table["verdict"].tolist() == ["good", "bad", "unclear", "unclear", "silent"]
    assert table["votes"].tolist() == [101, 101, 101, 2, 0]
    assert table["right"].tolist() == [101, 0, 53, 2, 0]
    assert table.loc["c", "chance"] == pytest.approx(table.loc["c", "precision"])
    shares = np.array([53, 29, 19]) / 101
    assert table.loc["a", "chance"] == pytest.approx((shares**2).sum())
    assert table.loc["b", "chance"] == pytest.approx((shares * shares[[1, 2, 0]]).sum())
    assert np.isnan(table.loc["e", ["precision", "chance"]].astype(float)).all()


def test_wider_level_makes_fewer_verdicts():
    votes, y = synthetic_votes(67, 13, accuracies=0.7, seed=1)
    strict = lf_check(votes, y, alpha=0.001)
    assert (
        strict["high"] - strict["low"] > lf_check(votes, y)["high"] - lf_check(votes, y)["low"]
    ).all()


def test_gold_may_hold_a_class_that_no_lf_votes_for():
    y = np.arange(23) % 3
    votes = np.where(y < 2, y, -1)[:, None]
    assert lf_check(votes, y)["verdict"].tolist() == ["good"]
    assert votes_test(votes, y).agreement == 1.0


def test_a_matrix_without_gold_or_without_lfs():
    assert lf_check(np.zeros((7, 2), dtype=int), np.full(7, -1))["verdict"].tolist() == (
        ["silent"] * 2
    )
    assert lf_check(np.empty((7, 0), dtype=int), np.zeros(7, dtype=int)).empty


@pytest.mark.parametrize("check", [votes_test, lf_check])
def test_labels_that_do_not_fit_are_refused(check):
    with pytest.raises(InputError, match="y has 2 labels, L has 3 rows"):
        check(np.zeros((3, 2), dtype=int), [0, 1])
    with pytest.raises(InputError, match="y holds -2 in row 1"):
        check(np.zeros((2, 2), dtype=int), [0, -2])


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="n_permutations must be a whole number of at least 1"):
        votes_test(np.zeros((2, 2), dtype=int), [0, 1], n_permutations=0)
    with pytest.raises(InputError, match="alpha"):
        lf_check(np.zeros((2, 2), dtype=int), [0, 1], alpha=1.0)
