"""The recommended classifier: members that rotate over folds, what nobody saw, files, errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from spear_amal import LabelMatrix
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators import (
    GoldClassifier,
    PooledClassifier,
    RuleModelConfig,
    SpearClassifier,
    cross_fitting,
    pool,
)
from spear_amal.maths.log_linear_pool import Pool, fit_pool
from spear_amal.studies import shuffled_votes
from spear_amal.training import TrainerConfig

QUICK = TrainerConfig(max_epochs=4)


def _table(seed=0, n=240, n_gold=60, n_classes=3):
    rng = np.random.default_rng(seed)
    gold = np.arange(n) % n_classes
    X = rng.normal(size=(n, 4)) + 1.5 * np.eye(n_classes, 4)[gold]
    votes = np.full((n, 2 * n_classes), -1)
    for j in range(2 * n_classes):
        fires = rng.random(n) < np.where(gold == j % n_classes, 0.5, 0.05)
        votes[fires, j] = j % n_classes
    y = np.full(n, -1)
    known = rng.permutation(n)[:n_gold]
    y[known] = gold[known]
    return X, y, LabelMatrix.from_dense(votes, classes=["a", "b", "c"][:n_classes]), gold


@pytest.fixture(scope="module")
def fitted():
    X, y, L, gold = _table()
    y = np.array(["a", "b", "c", None], dtype=object)[y]
    return PooledClassifier(trainer=QUICK).fit(X, y, L), X, y, L, gold


def test_probabilities_are_the_members_in_the_pool(fitted):
    model, X, _, L, _ = fitted
    weights = model.weights_["weight"]
    parts = [model.members_[name].predict_proba(X) for name in model.members_]
    parts.append(model.members_["amal"].rule_predict_proba(L))
    expected = np.exp(Pool(weights.to_numpy(), model.by_class_).log_proba(np.log(np.stack(parts))))
    np.testing.assert_allclose(model.predict_proba(X, L), expected, atol=1e-12)
    assert model.exponent_ == weights["rules"] > 0
    with pytest.raises(InputError, match="pass the votes"):
        model.predict_proba(X)


def test_no_model_that_predicts_a_gold_row_has_seen_it():
    """Other features of a gold row change what is said of its fold's other rows in no member."""
    X, y, L, _ = _table()
    settings = TrainerConfig(max_epochs=4, lr=0.05)  # the default rate looks at all features
    before = PooledClassifier(trainer=settings).fit(X, y, L)
    unseen = before.out_of_fold_
    changed = X.copy()
    changed[unseen.rows[0]] *= -3
    after = PooledClassifier(trainer=settings).fit(changed, y, L)
    same_fold = unseen.fold == unseen.fold[0]
    same_fold[0] = False
    for name, member in before.members_.items():
        if name == "gold":  # trained in plain folds: its unseen predictions are another fit's
            continue
        was, now = member.out_of_fold_.log_p, after.members_[name].out_of_fold_.log_p
        np.testing.assert_allclose(was[same_fold], now[same_fold], atol=1e-5)
        assert abs(was - now)[unseen.fold != unseen.fold[0]].max() > 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {"rule_model": RuleModelConfig(quality_guides="gold"), "class_weight": "balanced"},
        {"prior_correction": True},
        {"label_model": "flying-squid", "metric": "auto"},
        {"label_model": "majority", "label_model_options": {"class_balance": "gold"}},
        {"weighted": True},
    ],
    ids=str,
)
def test_the_label_of_a_gold_row_reaches_no_model_that_predicts_it(options, monkeypatch):
    X, y, L, _ = _table()
    options = dict(options)
    weight = (
        np.random.default_rng(1).uniform(0.5, 2, len(y)) if options.pop("weighted", 0) else None
    )
    # Dealing by class looks at labels: here folds stay as they are.
    monkeypatch.setattr(
        cross_fitting, "gold_folds", lambda y, n, seed: [np.arange(len(y))[i::n] for i in range(n)]
    )
    said = []
    monkeypatch.setattr(
        pool, "fit_pool", lambda log_p, *rest: said.append(log_p) or fit_pool(log_p, *rest)
    )
    row = np.flatnonzero(y >= 0)[7]
    other = np.where(np.arange(len(y)) == row, (y + 1) % 3, y)
    for labels in (y, other):
        model = PooledClassifier(trainer=QUICK, **options)
        model.fit(X, labels, L, sample_weight=weight)
    place = np.flatnonzero(model.out_of_fold_.rows == row)[0]
    np.testing.assert_array_equal(said[0][:, place], said[1][:, place])
    assert np.abs(said[0] - said[1]).max() > 1e-3


def test_each_gold_row_is_unseen_once_validation_once_and_trained_on_otherwise():
    X, y, L, _ = _table()
    model = SpearClassifier(fit_strategy="crossfit-rotated", n_folds=4, trainer=QUICK).fit(X, y, L)
    unseen = model.out_of_fold_
    np.testing.assert_array_equal(unseen.rows, np.flatnonzero(y >= 0))
    np.testing.assert_array_equal(unseen.gold, y[unseen.rows])
    assert sorted(np.unique(unseen.fold)) == [0, 1, 2, 3]
    assert unseen.log_q.shape == unseen.log_p.shape == (60, 3)


def test_without_votes_gold_alone_is_the_pool():
    X, y, _, _gold = _table()
    model = PooledClassifier(trainer=QUICK).fit(X, y)
    alone = GoldClassifier(fit_strategy="crossfit", trainer=QUICK).fit(X, y)
    assert list(model.members_) == list(model.weights_.index) == ["gold"]
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    assert model.exponent_ == 0


def test_votes_of_other_rows_are_left_out(tmp_path):
    X, y, L, _ = _table(n_gold=120)
    with pytest.warns(UserWarning, match="no better than chance"):
        model = PooledClassifier(trainer=QUICK).fit(X, y, shuffled_votes(L, 3))
    assert model.guarded_
    assert list(model.weights_.index) == ["gold"]
    model.save(tmp_path / "pool.safetensors")
    again = PooledClassifier.load(tmp_path / "pool.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))  # no votes needed
    assert again.guarded_ and again.votes_test_ == model.votes_test_ is not None


def test_its_own_score_is_that_of_predictions_out_of_fold(fitted):
    model, _, y, _, _ = fitted
    unseen = model.out_of_fold_
    right = model.classes_[unseen.log_p.argmax(1)] == y[unseen.rows]
    assert model.val_score_ == pytest.approx(right.mean())
    assert model.weights_["score"].between(0, 1).all()


def test_a_file_holds_the_pool(fitted, tmp_path):
    model, X, _, L, _ = fitted
    model.save(tmp_path / "pool.safetensors")
    again = PooledClassifier.load(tmp_path / "pool.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X, L), model.predict_proba(X, L))
    assert again.weights_.equals(model.weights_)
    assert list(again.members_) == list(model.members_)
    assert again.strength_ == model.strength_ and again.guarded_ is False
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "pool.safetensors"
    ).read_bytes()
    with pytest.raises(FileFormatError, match="PooledClassifier"):
        SpearClassifier.load(tmp_path / "pool.safetensors")


def test_the_same_seed_gives_the_same_pool(fitted):
    model, X, y, L, _ = fitted
    again = PooledClassifier(trainer=QUICK).fit(X, y, L)
    np.testing.assert_array_equal(again.predict_proba(X, L), model.predict_proba(X, L))


def test_fewer_members_and_no_rules_at_prediction():
    X, y, L, _ = _table()
    model = PooledClassifier(members=["gold", "spear"], inference="feature", trainer=QUICK)
    model.fit(X, y, L)
    assert list(model.weights_.index) == ["gold", "spear"]
    assert model.exponent_ == 0
    assert model.predict_proba(X).shape == (len(X), 3)


def test_a_row_of_no_weight_is_not_there():
    X, y, L, _ = _table()
    weight = np.ones(len(X))
    weight[:60] = 0
    some = PooledClassifier(trainer=QUICK).fit(X, y, L, sample_weight=weight)
    rest = PooledClassifier(trainer=QUICK).fit(X[60:], y[60:], L[60:])
    np.testing.assert_allclose(some.predict_proba(X, L), rest.predict_proba(X, L), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": ["amal"]}, "'gold' among them"),
        ({"members": ["gold", "gold"]}, "each once"),
        ({"members": ["gold", "oracle"]}, "oracle"),
        ({"n_folds": 2}, "at least 3"),
        ({"fit_strategy": "single"}, "fit_strategy"),
        ({"label_model": "oracle"}, "label_model"),
        ({"mixer": "oracle"}, "oracle"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(options, message):
    X, y, L, _ = _table()
    with pytest.raises(ValueError, match=message):
        PooledClassifier(**options).fit(X, y, L)


def test_too_few_labels_for_three_folds_are_an_error():
    X, _, L, gold = _table()
    y = np.full(len(X), -1)
    y[:2] = gold[:2]
    with pytest.raises(InputError, match="label more rows"), pytest.warns(UserWarning):
        PooledClassifier(trainer=QUICK).fit(X, y, L)


def test_rules_that_have_all_the_weight_are_alone_where_they_are_heard(fitted):
    model, X, _, L, _ = fitted
    alone = copy.copy(model)
    alone.weights_ = model.weights_.assign(weight=[0.0, 0.0, 0.0, 0.0, 1.0])
    alone.exponent_, alone.by_class_ = 1.0, np.zeros(3)
    q = model.members_["amal"].rule_predict_proba(L)
    expected = np.exp(Pool(np.ones(1), np.zeros(3)).log_proba(np.log(q)[None]))
    np.testing.assert_allclose(alone.predict_proba(X, L), expected)
    unheard = alone._predict_proba(X, None, 1.0)
    assert not np.allclose(unheard, expected)  # half gold, half AMAL in their place
