"""On the real corpora each model gets in lock step what it gets alone, by autograd."""

import os
from functools import cache

import numpy as np
import pytest

from spear_amal.estimators import together
from spear_amal.studies import load_corpus_votes, make_split, parse_method
from spear_amal.training.members import fit_one_by_one

DATA = os.environ.get("SPEAR_AMAL_DATA")
CORPORA = ("imdb", "plots", "sms", "youtube")
METHODS = ("spear", "amal", "amal-folds")
OTHERS = ("only-l", "majority", "amal-joint", "amal:refit", "spear:crossfit=5")  # on small corpora
MLP = {"feature_model": "mlp", "hidden": (16,)}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # what the corpora's votes are warned of
    pytest.mark.skipif(DATA is None, reason="SPEAR_AMAL_DATA names no folder with the corpora"),
]


@cache
def split_of(name):
    source = load_corpus_votes(name, data_dir=DATA, offline=True)
    return make_split(source.corpus, source.votes, seed=0)


def unfitted(name, method, seed=0, **settings):
    """An estimator and what its fit takes."""
    split, _ = split_of(name)
    spec = parse_method(method)
    given = {"X": split.x_train, "y": split.y_train, "X_val": split.x_val, "y_val": split.y_val}
    if spec.method.uses_votes:
        given |= {"L": split.votes_train, "L_val": split.votes_val}
    return spec.make(metric=split.metric, random_state=seed, **settings), given


@pytest.fixture
def alone(monkeypatch):
    """Fit with every model trained by itself: no lock step, and gradients by autograd."""

    def fit(name, method, seed=0, **settings):
        estimator, given = unfitted(name, method, seed, **settings)
        with monkeypatch.context() as patch:
            patch.setattr(together, "fit_members", fit_one_by_one)
            estimator.fit(**given)
        assert estimator.training_path_ == "alone"
        return estimator

    return fit


def stacked(name, method, seed=0, **settings):
    estimator, given = unfitted(name, method, seed, **settings)
    return estimator.fit(**given)


def assert_same(ours, expected, name, tolerance):
    assert ours.training_path_.startswith("lock step of")
    assert ours.best_epoch_ == expected.best_epoch_
    assert ours.exponent_ == expected.exponent_
    assert len(ours.history_) == len(expected.history_)
    split, scorer = split_of(name)
    votes = {"L": split.votes_train} if ours.exponent_ else {}
    for told in (scorer.probabilities, lambda model: model.predict_proba(split.x_train, **votes)):
        np.testing.assert_allclose(told(ours), told(expected), rtol=0, atol=tolerance)
    # Steps of AMAL's weights are long, and so is the way that a rounding error goes.
    weights = (ours.weights_.to_numpy(), expected.weights_.to_numpy())
    np.testing.assert_allclose(*weights, rtol=0, atol=100 * tolerance)


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in CORPORA for method in METHODS]
    + [(name, method) for name in ("imdb", "youtube") for method in OTHERS],
)
def test_single_precision(name, method, alone):
    settings = {"max_epochs": 25}
    assert_same(stacked(name, method, **settings), alone(name, method, **settings), name, 1e-4)


@pytest.mark.parametrize(
    ("name", "method", "network"),
    [(name, "amal-folds", {}) for name in CORPORA]
    + [("imdb", method, MLP) for method in ("spear", "amal-folds")],
)
def test_double_precision(name, method, network, alone):
    settings = {"max_epochs": 8, "dtype": "float64", **network}
    assert_same(stacked(name, method, **settings), alone(name, method, **settings), name, 1e-10)


@pytest.mark.parametrize("name", ["imdb", "youtube"])
def test_methods_and_seeds_train_together(name, alone):
    """What is stacked need not be of one fit, nor of one method."""
    asked = [("amal", 0), ("amal", 1), ("spear", 0), ("spear:crossfit=5", 2), ("only-l", 0)]
    settings = {"max_epochs": 8, "dtype": "float64"}
    fits = [unfitted(name, method, seed, **settings) for method, seed in asked]
    for ours, (method, seed) in zip(together.fit_together(fits), asked, strict=True):
        assert_same(ours, alone(name, method, seed, **settings), name, 1e-10)
