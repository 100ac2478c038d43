"""Weighted majority vote: hand-counted accuracies, weights and rounds."""

import numpy as np
import pytest

from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import MajorityVote, WeightedMajority


def test_gold_accuracies_by_hand():
    votes = np.array([[0, 1, -1], [0, 0, -1], [2, 0, -1], [1, 1, 0]])
    model = WeightedMajority(prior_accuracy=0.6, prior_strength=2.0)
    model.fit(votes, [0, 0, 0, -1])  # LF 0: 2 of 3, LF 1: 2 of 3 (one wrong each), LF 2: none
    expected = np.array([(2 + 1.2) / 5, (2 + 1.2) / 5, 0.6])
    np.testing.assert_allclose(model.accuracies_, expected)
    np.testing.assert_allclose(model.weights_, np.log(expected * 2 / (1 - expected)))
    w = np.exp(model.weights_)
    np.testing.assert_allclose(
        model.predict_proba([[0, 1, 1]])[0], [w[0], w[1] * w[2], 1] / (w[0] + w[1] * w[2] + 1)
    )


def test_one_round_of_agreement_by_hand():
    votes = np.array([[0, 0, 1], [1, 1, -1], [0, 1, -1], [-1, 1, -1]])
    model = WeightedMajority(prior_accuracy=0.75, prior_strength=4.0, max_iter=1).fit(votes)
    # LF 0: row 0 the others tie (one half), row 1 agrees, row 2 not; LF 1 the same; the last row,
    # where LF 1 is alone, counts for nobody. LF 2: row 0, the others are both against it.
    expected = np.array([(1.5 + 3) / 7, (1.5 + 3) / 7, (0 + 3) / 5])
    np.testing.assert_allclose(model.accuracies_, expected)


def test_rests_at_its_fixed_point():
    L, _y = synthetic_votes(503, 7, 3, accuracies=np.linspace(0.4, 0.9, 7), coverages=0.6)
    rested = WeightedMajority(max_iter=50, tol=0.0).fit(L).accuracies_
    np.testing.assert_array_equal(rested, WeightedMajority(max_iter=51, tol=0.0).fit(L).accuracies_)


def test_no_rounds_are_a_majority_vote():
    L, _y = synthetic_votes(211, 7, 3, coverages=0.6)
    plain = MajorityVote().fit(L).predict(L)
    np.testing.assert_array_equal(WeightedMajority(max_iter=0).fit(L).predict(L), plain)


@pytest.mark.parametrize("seed", range(3))
def test_better_than_equal_votes_and_better_with_gold(seed):
    accuracies = np.linspace(0.4, 0.9, 11)
    L, y = synthetic_votes(2003, 11, 2, accuracies=accuracies, coverages=0.4, seed=seed)

    def right(model):
        return (model.predict(L, "first") == y)[L.covered()].mean()

    agreed, gold = WeightedMajority().fit(L), WeightedMajority().fit(L, y)
    assert right(agreed) > right(MajorityVote().fit(L)) + 0.03
    assert right(gold) >= right(agreed) - 0.01
    np.testing.assert_allclose(gold.accuracies_, accuracies, atol=0.06)


def test_gold_lets_a_bad_lf_count_against_its_class():
    L, y = synthetic_votes(503, 3, 2, accuracies=[0.1, 0.8, 0.8], coverages=1.0, seed=2)
    assert WeightedMajority().fit(L, y).weights_[0] < -1
    assert WeightedMajority().fit(L).weights_.min() > 0


def test_settings_are_checked():
    for wrong in ({"prior_accuracy": 1.0}, {"prior_strength": 0.0}, {"max_iter": -1}, {"tol": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            WeightedMajority(**wrong).fit([[0, 1, 1]])
