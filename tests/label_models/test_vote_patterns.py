"""Merged rows: exactly the distinct ones, for any matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal import LabelMatrix
from spear_amal.label_models.vote_patterns import cast_votes, find_patterns, vote_shares, vote_sums

C = 3
VOTES = hnp.arrays(np.int64, (11, 5), elements=st.integers(-1, C - 1))
GOLD = hnp.arrays(np.int64, 11, elements=st.integers(-1, C - 1))


def matrix(votes):
    return LabelMatrix.from_dense(votes, classes=range(C))


def one_hot(votes):
    hot = np.zeros((len(votes), votes.shape[1] * C))
    for i, j in np.argwhere(votes >= 0):
        hot[i, j * C + votes[i, j]] = 1
    return hot


@given(VOTES, GOLD)
def test_patterns_are_the_distinct_rows(votes, gold):
    votes[5:] = votes[:6]  # repeated rows, some of other gold
    found = find_patterns(matrix(votes), C, gold)
    expected = np.unique(np.c_[votes, gold], axis=0)
    assert len(found.n_rows) == len(expected)
    np.testing.assert_array_equal(found.cast.toarray()[found.inverse], one_hot(votes))
    np.testing.assert_array_equal(found.gold[found.inverse], gold)
    np.testing.assert_array_equal(found.n_rows, np.bincount(found.inverse))
    np.testing.assert_array_equal(found.covered[found.inverse], (votes >= 0).any(1))


@given(VOTES)
def test_order_of_stored_votes_does_not_matter(votes):
    L = matrix(votes)
    backwards = L[:, ::-1][:, ::-1]
    np.testing.assert_array_equal(cast_votes(backwards, C).toarray(), one_hot(votes))
    assert len(find_patterns(backwards, C).n_rows) == len(np.unique(votes, axis=0))


def test_no_rows():
    found = find_patterns(matrix(np.empty((0, 5), dtype=int)), C)
    assert found.cast.shape == (0, 15)
    assert len(found.n_rows) == len(found.inverse) == len(found.gold) == 0


def test_shares_of_votes():
    L = matrix([[0, 0, 1], [-1, -1, -1], [2, -1, 0]])
    found = find_patterns(L, C, np.array([-1, -1, 1]))
    shares = vote_shares(found, C)[found.inverse]
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0], [1 / 3] * 3, [0, 1, 0]])


@pytest.mark.parametrize("n_classes", [3, 52, 20011])
def test_keys_of_one_two_and_four_bytes(n_classes):
    rng = np.random.default_rng(0)
    votes = rng.choice([-1, 0, 1, n_classes - 1], (211, 5), p=[0.5, 0.2, 0.2, 0.1])
    gold = rng.choice([-1, 0, n_classes - 1], 211)
    found = find_patterns(LabelMatrix.from_dense(votes, classes=range(n_classes)), n_classes, gold)
    assert len(found.n_rows) == len(np.unique(np.c_[votes, gold], axis=0))
    first = np.array([np.flatnonzero(found.inverse == i)[0] for i in range(len(found.n_rows))])
    np.testing.assert_array_equal(votes[first][found.inverse], votes)
    np.testing.assert_array_equal(gold[first][found.inverse], gold)


def test_rows_that_stand_for_many_and_the_order_of_patterns():
    rng = np.random.default_rng(1)
    votes = rng.integers(-1, C, (101, 3))
    whole = find_patterns(matrix(votes), C)
    kinds, times = np.unique(votes, axis=0, return_counts=True)
    order = rng.permutation(len(kinds))
    found = find_patterns(matrix(kinds[order]), C, n_rows=times[order].astype(float))
    np.testing.assert_array_equal(found.cast.toarray(), whole.cast.toarray())
    np.testing.assert_array_equal(found.n_rows, whole.n_rows)


def test_sums_of_votes():
    votes = np.array([[0, 0, 1], [-1, -1, -1], [2, -1, 0]])
    codes = matrix(votes).codes
    sums = vote_sums(codes.indptr, codes.data - 1, C)
    np.testing.assert_array_equal(sums, [[2, 1, 0], [0, 0, 0], [1, 0, 1]])
    weights = np.array([0.5, -2.0, 8.0])[codes.indices]
    weighted = vote_sums(codes.indptr, codes.data - 1, C, weights)
    np.testing.assert_array_equal(weighted, [[-1.5, 8, 0], [0, 0, 0], [8, 0, 0.5]])
