"""Parameters that every trained classifier has: prior correction and the scale of the rate."""

import numpy as np
import pytest

from spear_amal import LabelMatrix, TrainerConfig
from spear_amal.estimators import (
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SpearClassifier,
)
from spear_amal.estimators.base import default_rate
from spear_amal.training import Trainer

N_L, N_U, N_V, D, C = 43, 61, 101, 5, 2
KINDS = [
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SpearClassifier,
]
EVERY_KIND = pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def unbalanced():
    """L is nine tenths class 0, V is one half; classes overlap, so that the prior matters."""
    rng = np.random.default_rng(0)
    y = np.concatenate(
        [
            (rng.random(N_L) < 0.1).astype(int),
            rng.integers(0, 2, N_U),
            np.arange(N_V) % 2,
        ]
    )
    y[0] = 1
    X = rng.normal(size=(len(y), D)) + 0.5 * np.eye(2, D)[y]
    votes = np.where(rng.random((len(y), 3)) < 0.75, y[:, None], 1 - y[:, None])
    votes = np.where(rng.random(votes.shape) < 0.4, votes, -1)
    observed = np.where(np.arange(len(y)) < N_L, y, -1)
    return X, y, observed, LabelMatrix.from_dense(votes, classes=range(C))


def fitted(unbalanced, cls=GoldClassifier, **options):
    X, y, observed, L = unbalanced
    t = N_L + N_U
    votes = {} if cls is GoldClassifier else {"L": L[:t], "L_val": L[t:]}
    options = {"max_epochs": 30, "patience": 30, **options}
    return cls.from_options(**options).fit(X[:t], observed[:t], X_val=X[t:], y_val=y[t:], **votes)


def caught(monkeypatch):
    """Components and settings of each run."""
    seen, begin = [], Trainer.begin

    def watch(self, model, components, *rest, **named):
        seen.append((components, self.settings))
        return begin(self, model, components, *rest, **named)

    monkeypatch.setattr(Trainer, "begin", watch)
    return seen


@EVERY_KIND
def test_weights_are_the_balance_of_v_over_that_of_training(unbalanced, cls, monkeypatch):
    seen = caught(monkeypatch)
    fitted(unbalanced, cls, prior_correction=True, max_epochs=1)
    fitted(unbalanced, cls, max_epochs=1)
    _, y, _, _ = unbalanced
    wanted, found = np.bincount(y[N_L + N_U :]) + 1, np.bincount(y[:N_L]) + 1
    expected = (wanted / wanted.sum()) / (found / found.sum())
    assert expected[1] > 2
    on_gold = [seen[0][0].components[0], seen[1][0].components[0]]
    np.testing.assert_allclose(on_gold[0].class_weights, expected)
    assert on_gold[1].class_weights is None


def test_a_class_that_is_missing_in_l_gets_a_finite_weight(unbalanced, monkeypatch):
    seen = caught(monkeypatch)
    rng = np.random.default_rng(0)
    y = np.array([0, 0, 1, 1, 0, 1])
    model = GoldClassifier(prior_correction=True, trainer=TrainerConfig(max_epochs=1))
    model.fit(rng.normal(size=(6, D)), y, X_val=rng.normal(size=(4, D)), y_val=[1, 1, 1, 1])
    np.testing.assert_allclose(
        seen[0][0].components[0].class_weights, [(1 / 6) / 0.5, (5 / 6) / 0.5]
    )


@EVERY_KIND
def test_prediction_moves_towards_the_balance_of_v(unbalanced, cls):
    """With plain weights and SPEAR's loss on gold alone: mixers and rules pull elsewhere."""
    X, means = unbalanced[0], []
    plain = {
        ReweightedClassifier: {"mixer": "fixed"},
        SpearClassifier: {"mixer": "fixed", "losses": (1,)},
    }
    for correct in (False, True):
        model = fitted(unbalanced, cls, prior_correction=correct, **plain.get(cls, {}))
        means.append(model._predict_proba(X, None, 0.0)[:, 1].mean())
    assert means[0] < means[1] < 0.6


@pytest.mark.parametrize("final", ["refit", "crossfit"])
def test_after_a_refit_v_counts_among_the_rows_of_training(unbalanced, final, monkeypatch):
    seen = caught(monkeypatch)
    fitted(unbalanced, prior_correction=True, max_epochs=1, fit_strategy=final, n_folds=2)
    _, y, _, _ = unbalanced
    wanted = np.bincount(y[N_L + N_U :]) + 1
    weights = seen[-1][0].components[0].class_weights.numpy()
    if final == "refit":
        found = np.bincount(np.concatenate([y[:N_L], y[N_L + N_U :]])) + 1
        np.testing.assert_allclose(weights, (wanted / wanted.sum()) / (found / found.sum()))
    else:  # half of L and V, stratified
        assert 1.0 < weights[1] < 2.0


@EVERY_KIND
def test_lr_scale_multiplies_the_rate(unbalanced, cls, monkeypatch):
    seen = caught(monkeypatch)
    for options in ({}, {"lr_scale": 0.25}, {"lr": 0.02, "lr_scale": 0.25}, {"lr": 0.02}):
        fitted(unbalanced, cls, max_epochs=1, **options)
    rate = default_rate(unbalanced[0], "linear")
    assert [s.lr * s.lr_scale for _, s in seen] == pytest.approx(
        [rate, 0.25 * rate, 0.005, 0.02], rel=1e-6
    )
    assert len({s.lr_rules for _, s in seen}) == 1


@pytest.mark.parametrize("wrong", [{"lr_scale": 0.0}, {"lr_scale": -1}, {"prior_correction": "V"}])
def test_nonsense_is_named(unbalanced, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        fitted(unbalanced, **wrong)
