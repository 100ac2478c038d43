"""Majority vote and CAGE: hand-counted values, enumeration, recovery of known truth."""

import itertools

import numpy as np
import pytest

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import Cage, MajorityVote


def test_majority_against_counting_all_patterns():
    patterns = np.array(list(itertools.product([-1, 0, 1, 2], repeat=3)))
    p = MajorityVote().fit(patterns).predict_proba(patterns)
    for row, found in zip(patterns, p, strict=True):
        counts = np.array([(row == c).sum() for c in range(3)])
        top = counts == counts.max()
        np.testing.assert_allclose(found, top / top.sum())


def test_cage_posterior_equals_enumeration():
    """q(y | l) from the product form of the model, for every pattern of three one-class LFs."""
    L, _ = synthetic_votes(211, 3, 2, accuracies=0.8, coverages=0.5, seed=2)
    model = Cage(epochs=40).fit(L)
    k, theta = model.k_, model.theta_
    columns = len(k)
    for pattern in itertools.product([0, 1], repeat=columns):
        weights = [np.prod(np.exp(theta[y]) ** np.array(pattern)) for y in range(2)]
        votes = np.full(L.shape[1], -1)
        seen = {}
        for on, (j, c) in zip(pattern, model.plan_, strict=True):
            if on:
                seen.setdefault(j, []).append(c)
        if any(len(cs) > 1 for cs in seen.values()):
            continue  # one LF cannot vote twice
        for j, cs in seen.items():
            votes[j] = cs[0]
        found = model.predict_proba(votes[None])[0]
        np.testing.assert_allclose(found, np.array(weights) / np.sum(weights), atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_cage_recovers_more_than_majority_when_accuracies_differ(seed):
    accuracies = [0.95, 0.9, 0.55, 0.55, 0.55]
    L, y = synthetic_votes(2003, 5, 2, accuracies=accuracies, coverages=0.7, seed=seed)
    covered = L.covered()
    guides = np.repeat(accuracies, 2)
    cage = Cage(quality_guides=guides, epochs=150).fit(L)
    majority = MajorityVote().fit(L).predict(L, "first")

    def right(predicted):
        return (predicted == y)[covered].mean()

    assert right(cage.predict(L, "first")) > right(majority) + 0.02
    assert cage.losses_[-1] < cage.losses_[0]


def test_cage_uses_scores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 401)
    votes = np.where(rng.random((401, 2)) < 0.8, [0, 1], -1)
    agree = votes == y[:, None]
    scores = np.where(agree, rng.beta(9, 2, votes.shape), rng.beta(2, 9, votes.shape))
    L = LabelMatrix.from_dense(votes, scores=scores, continuous=[True, True])
    model = Cage(epochs=100).fit(L)
    covered = L.covered()
    assert (model.predict(L, "first") == y)[covered].mean() > 0.9
    assert (Cage().fit(votes).predict(votes, "first") == y)[covered].mean() < 0.8


def test_votes_of_another_form_are_refused():
    model = Cage(epochs=2).fit([[0, 1, -1], [1, -1, 0]])
    for width in (2, 4):
        with pytest.raises(InputError, match="fitted on 3"):
            model.predict_proba(np.full((1, width), 0))
    scored = LabelMatrix.from_dense([[0, 1]], scores=[[0.5, 0.5]])
    model = Cage(epochs=2).fit(scored)
    with pytest.raises(InputError, match="no scores"):
        model.predict_proba([[0, 1]])
    assert model.continuous_.tolist() == [0, 1]


def test_cage_refuses_impossible_guides():
    with pytest.raises(InputError, match="start"):
        Cage(start="middle").fit([[0, 1]])
    with pytest.raises(InputError, match="shape"):
        Cage(quality_guides=[0.9, 0.9, 0.9]).fit([[0, 1]])
    with pytest.raises(InputError, match="strictly between"):
        Cage(quality_guides=1.0).fit([[0, 1]])
