"""The accuracy model: recovery of known truth, no collapse, no worse than Snorkel."""

import numpy as np
import pytest

from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel, MajorityVote, SnorkelLabelModel


def right(model, L, y):
    covered = (np.asarray(L) >= 0).any(1)
    return (model.predict_proba(L).argmax(1) == y)[covered].mean()


def one_class_votes(n, balance, seed, m=12):
    """Votes of LFs of one class each that fire more often in it; coverages differ by LF."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(balance), n, p=balance)
    own = np.arange(m) % len(balance)
    often = rng.uniform(0.1, 0.4, m)
    fires = rng.random((n, m)) < np.where(y[:, None] == own, often, often * 0.15)
    return np.where(fires, own, -1), y


@pytest.mark.parametrize("balance", [[0.5, 0.5], [0.9, 0.1], [0.6, 0.3, 0.1]])
def test_recovers_accuracies_and_balance(balance):
    accuracies = np.linspace(0.6, 0.9, 11)
    L, y = synthetic_votes(
        5003, 11, len(balance), accuracies=accuracies, coverages=0.5, class_balance=balance, seed=1
    )
    model = AccuracyModel().fit(L)
    np.testing.assert_allclose(model.accuracies_, accuracies, atol=0.05)
    np.testing.assert_allclose(model.class_balance_, np.bincount(y) / 5003, atol=0.04)
    np.testing.assert_allclose(model.conditionals_.sum(1), 1)


def test_tables_differ_by_class_where_the_data_insist():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 5003)
    wrong = rng.random((5003, 7)) < np.where(y[:, None] == 0, 0.05, 0.35)
    model = AccuracyModel().fit(np.where(wrong, 1 - y[:, None], y[:, None]))
    np.testing.assert_allclose(model.conditionals_[:, 0, 0], 0.95, atol=0.04)
    np.testing.assert_allclose(model.conditionals_[:, 1, 1], 0.65, atol=0.06)


@pytest.mark.parametrize("balance", [[0.5, 0.5], [0.85, 0.15], [0.4, 0.3, 0.2, 0.1]])
def test_no_collapse_with_lfs_of_one_class(balance):
    for seed in range(3):
        votes, y = one_class_votes(2003, balance, seed)
        model = AccuracyModel(max_iter=500).fit(votes)
        assert model.one_class_.all()
        covered = (votes >= 0).any(1)
        predicted = np.bincount(model.predict(votes, "first")[covered], minlength=len(balance))
        truth = np.bincount(y[covered], minlength=len(balance))
        assert (predicted > 0.5 * truth).all()
        assert right(model, votes, y) > right(MajorityVote().fit(votes), votes, y) - 0.06


def test_given_balance_is_kept_and_gold_helps():
    L, y = synthetic_votes(
        503, 5, 2, accuracies=0.65, coverages=0.5, class_balance=[0.9, 0.1], seed=3
    )
    known = AccuracyModel(class_balance=[0.9, 0.1]).fit(L)
    np.testing.assert_array_equal(known.class_balance_, [0.9, 0.1])
    with_gold = AccuracyModel().fit(L, np.where(np.arange(503) < 101, y, -1))
    without = AccuracyModel().fit(L)
    error = [abs(m.class_balance_[1] - 0.1) for m in (with_gold, without)]
    assert error[0] < error[1]


CASES = {
    "even": {"n_classes": 2, "coverages": 0.4},
    "10% positive": {"n_classes": 2, "coverages": 0.4, "class_balance": [0.9, 0.1]},
    "sparse, 10% positive": {"n_classes": 2, "coverages": 0.1, "class_balance": [0.9, 0.1]},
    "11 classes": {"n_classes": 11, "coverages": 0.3},
}


@pytest.mark.parametrize("case", CASES)
def test_no_less_accurate_than_snorkel(case):
    pytest.importorskip("snorkel")
    gains = []
    for seed in range(3):
        accuracies = np.random.default_rng(seed).uniform(0.5, 0.9, 11)
        L, y = synthetic_votes(1009, 11, accuracies=accuracies, seed=seed, **CASES[case])
        ours, theirs = AccuracyModel().fit(L), SnorkelLabelModel().fit(L)
        gains.append(right(ours, L, y) - right(theirs, L, y))
    assert np.mean(gains) > (0.02 if "positive" in case else -0.005)


def test_settings_are_checked():
    for wrong in (
        {"prior_accuracy": 0.0},
        {"accuracy_strength": 0.0},
        {"table_strength": -1.0},
        {"one_class_strength": -1.0},
        {"max_iter": 0},
        {"tol": -1e-3},
        {"class_balance": [0.5, 0.3, 0.2]},
        {"class_balance": [1.0, 0.0]},
        {"class_balance": [0.9, 0.9]},
    ):
        with pytest.raises(InputError, match=next(iter(wrong))):
            AccuracyModel(**wrong).fit([[0, 1, 1]])
