"""Votes dealt out anew."""

import numpy as np

from spear_amal.data import synthetic_votes
from spear_amal.labeling import votes_test
from spear_amal.studies import shuffled_votes
from spear_amal.votes.label_matrix import LabelMatrix


def test_rows_move_and_ids_stay():
    votes, _ = synthetic_votes(41, 5, seed=3)
    scores = np.where(votes.to_dense() >= 0, np.arange(41)[:, None] / 41, 0)
    L = LabelMatrix.from_dense(
        votes, scores=scores, row_ids=np.arange(41) * 3, lf_names=list("abcde")
    )
    before = L.to_dense().copy()
    placebo = shuffled_votes(L, seed=7)
    order = np.random.default_rng(7).permutation(41)
    assert (placebo.to_dense() == before[order]).all()
    assert (placebo.dense_scores() == L.dense_scores()[order]).all()
    assert (placebo.row_ids == L.row_ids).all()
    assert placebo.lf_names == L.lf_names
    assert (L.to_dense() == before).all()
    assert not (placebo.to_dense() == before).all()


def test_same_seed_same_placebo_other_seed_another():
    votes, _ = synthetic_votes(41, 5, seed=3)
    assert (shuffled_votes(votes, 2) == shuffled_votes(votes, 2)).all()
    assert (shuffled_votes(votes, 2) != shuffled_votes(votes, 3)).any()


def test_a_placebo_tells_nothing():
    votes, y = synthetic_votes(101, 5, accuracies=0.9, seed=3)
    assert votes_test(votes, y).informative
    assert not votes_test(shuffled_votes(votes, 0), y).informative


def test_no_rows():
    assert shuffled_votes(LabelMatrix.from_dense(np.empty((0, 3), dtype=int))).shape == (0, 3)
