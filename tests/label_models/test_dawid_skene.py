"""Dawid-Skene: stored values of another implementation, plain loops, likelihood, edge cases."""

import numpy as np
import pytest

from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import DawidSkene

# Votes and posteriors by crowd-kit 1.4.2 (DawidSkene, tol=-1e9; pandas 3.1.1, NumPy 2.4.6), which
# holds every probability above 1e-10.
VOTES = np.array(
    [
        *([2, -1, 1, -1, 0], [1, 0, 1, 1, 1], [-1, -1, 1, 1, 1], [0, -1, 0, 0, 0]),
        *([0, -1, 0, 0, 0], [2, 2, -1, 1, 2], [0, 0, -1, 1, 1], [0, 1, -1, 0, 0]),
        *([2, 1, 0, 0, -1], [1, 2, -1, 1, 1], [1, -1, 1, -1, 1], [1, 1, 2, -1, 2]),
        *([-1, 1, 1, 1, -1], [-1, 0, 0, 0, -1], [0, 1, 2, 0, -1], [-1, 2, 2, 2, -1]),
        [-1, 2, 0, 2, 0],
    ]
)
AFTER_4 = np.array(
    [
        *([0.423959996, 0.00094976, 0.575090244], [0, 1, 0], [0, 0.999982712, 1.7288e-05]),
        *([1, 0, 0], [1, 0, 0], [0, 2.8736e-05, 0.999971264], [0, 1, 0], [0.999999999, 0, 0]),
        *([0.999930011, 0, 6.9989e-05], [0, 0.999827716, 0.000172284]),
        *([0, 0.999972954, 2.7046e-05], [0, 2.606e-06, 0.999997394]),
        *([9.957e-06, 0.959107315, 0.040882728], [1, 0, 0], [0.999999999, 0, 1e-09]),
        *([4.88e-07, 0, 0.999999512], [9.043e-06, 0, 0.999990957]),
    ]
)
AFTER_60 = np.eye(3)[[2, 1, 1, 0, 0, 2, 1, 0, 0, 1, 1, 2, 1, 0, 0, 2, 2]]
AFTER_60[12] = [0, 0.916804319, 0.083195681]


@pytest.mark.parametrize(("steps", "expected"), [(4, AFTER_4), (60, AFTER_60)])
def test_equals_crowd_kit(steps, expected):
    # crowd-kit hands back the posterior before the last M step, hence one step less.
    model = DawidSkene(max_iter=steps - 1, tol=0).fit(VOTES)
    np.testing.assert_allclose(model.predict_proba(VOTES), expected, atol=2e-9)


def by_loops(votes, n_classes, smoothing, model_abstains, steps):
    """EM written out over rows, LFs and classes; answers are 0..C-1, and C for abstain."""
    rows = votes if model_abstains else votes[(votes >= 0).any(1)]
    n, m = rows.shape
    post = np.zeros((n, n_classes))
    for i, row in enumerate(rows):
        cast = row[row >= 0]
        post[i] = np.bincount(cast, minlength=n_classes) / len(cast) if len(cast) else 1 / n_classes
    for step in range(steps + 1):
        balance = (post.sum(0) + smoothing) / (post.sum() + n_classes * smoothing)
        counts = np.full((m, n_classes, n_classes + 1), float(smoothing))
        for i in range(n):
            for j in range(m):
                counts[j, :, rows[i, j]] += post[i]  # -1 is the last column
        if not model_abstains:
            counts = counts[:, :, :-1]
        confusion = counts / counts.sum(2, keepdims=True)
        if step == steps:
            return confusion[:, :, :n_classes], balance
        for i in range(n):
            p = balance.copy()
            for j in range(m):
                if rows[i, j] >= 0 or model_abstains:
                    p *= confusion[j, :, rows[i, j]]
            post[i] = p / p.sum()
    return None


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("model_abstains", [False, True])
def test_equals_plain_loops(smoothing, model_abstains):
    votes = np.asarray(synthetic_votes(61, 5, 3, coverages=0.7, seed=1)[0]).astype(int)
    model = DawidSkene(smoothing=smoothing, model_abstains=model_abstains, max_iter=7, tol=0.0).fit(
        votes
    )
    confusion, balance = by_loops(votes, 3, smoothing, model_abstains, 7)
    np.testing.assert_allclose(model.confusion_, confusion, atol=1e-10)
    np.testing.assert_allclose(model.class_balance_, balance, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model_abstains", [False, True])
def test_likelihood_never_falls(seed, model_abstains):
    L, y = synthetic_votes(
        211, 7, 3, accuracies=0.6, coverages=0.5, class_balance=[0.8, 0.15, 0.05], seed=seed
    )
    gold = np.where(np.arange(211) < 23, y, -1)
    for given in (None, gold):
        model = DawidSkene(model_abstains=model_abstains, tol=0.0).fit(L, given)
        values = np.array(model.log_likelihoods_)
        assert len(values) > 2
        assert (np.diff(values) > -1e-9 * abs(values[0])).all()


def test_lfs_without_error_or_class_give_no_nan():
    votes = np.array([[0, 0, 0], [1, 1, 1], [2, 2, -1], [0, 0, 0]])
    for model in (DawidSkene(max_iter=500, tol=0.0), DawidSkene(model_abstains=True)):
        p = model.fit(votes).predict_proba(votes)
        np.testing.assert_allclose(p, np.eye(3)[[0, 1, 2, 0]])
        unseen = model.predict_proba([[0, 1, 2], [0, 0, 1]])
        assert np.isfinite(unseen).all()
        assert np.isfinite(model.log_likelihoods_).all()


def test_abstention_as_an_answer_hears_one_class_lfs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1009)
    own = np.arange(8) % 2
    fires = rng.random((1009, 8)) < np.where(y[:, None] == own, 0.6, 0.1)
    votes = np.where(fires, own, -1)
    covered = fires.any(1)

    def right(model):
        return (model.fit(votes).predict_proba(votes).argmax(1) == y)[covered].mean()

    assert right(DawidSkene(model_abstains=True)) > 0.9
    assert right(DawidSkene()) > 0.9
    assert right(DawidSkene(model_abstains=False)) < 0.6


def test_gold_on_all_rows_is_counting():
    votes = np.array([[0, 1], [0, 0], [1, 1], [0, 1], [-1, -1]])
    gold = np.array([0, 0, 1, 1, 0])
    model = DawidSkene().fit(votes, gold)
    np.testing.assert_allclose(model.confusion_[0], [[1, 0], [0.5, 0.5]], atol=1e-12)
    np.testing.assert_allclose(model.confusion_[1], [[0.5, 0.5], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(model.class_balance_, [0.5, 0.5])  # of the rows with votes
    expected = 4 * np.log(0.5) + 2 * np.log(0.5) + 2 * np.log(0.5)
    np.testing.assert_allclose(model.log_likelihoods_[-1], expected)
    ignored = DawidSkene(clamp_gold=False).fit(votes, gold).confusion_
    np.testing.assert_array_equal(ignored, DawidSkene().fit(votes).confusion_)


def test_gold_that_was_chosen_and_is_everywhere_tells_no_balance():
    votes = [[0, 1, 1, 0], [1, 1, 1, 0]]  # all gold is of one class, though LFs vote for both
    model = DawidSkene().fit(votes, [1, 1])
    np.testing.assert_array_equal(model.class_balance_, [0.5, 0.5])
    assert np.isfinite(model.predict_proba(votes)).all()


def test_some_gold_draws_the_estimates_to_the_truth():
    L, y = synthetic_votes(
        401, 5, 2, accuracies=0.65, coverages=0.6, class_balance=[0.7, 0.3], seed=4
    )
    some = DawidSkene(smoothing=0.5).fit(L, np.where(np.arange(401) < 199, y, -1))
    none = DawidSkene(smoothing=0.5).fit(L)
    error = [np.abs(m.confusion_[:, [0, 1], [0, 1]] - 0.65).mean() for m in (some, none)]
    assert error[0] < error[1]


def test_settings_are_checked():
    for wrong in ({"max_iter": 0}, {"tol": -1.0}, {"smoothing": -0.5}, {"smoothing": np.nan}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            DawidSkene(**wrong).fit([[0, 1, 1]])
