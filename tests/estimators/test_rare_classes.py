"""Cross-fitting where a class, or all of them, has fewer gold rows than there are folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from spear_amal.estimators.cross_fitting import gold_folds
from spear_amal.estimators.together import fit_together
from spear_amal.studies import METHODS, parse_method

N, M, C = 113, 5, 3
FAST = {"max_epochs": 2}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2], [53, 50, 10]))
    X = rng.normal(size=(N, 4)) + 2 * np.eye(C, 4)[y]
    classes = np.array([0, 1, 2, 0, 1])
    right = y[:, None] == classes
    fires = rng.random((N, M)) < np.where(right, 0.6, 0.06)
    return X, y, np.where(fires, classes, -1)


def labelled(y, *counts):
    """Gold of so many rows of each class, -1 for the others."""
    kept = [np.flatnonzero(y == code)[:n] for code, n in enumerate(counts)]
    return np.where(np.isin(np.arange(len(y)), np.concatenate(kept)), y, -1)


@settings(max_examples=60)
@given(
    y=st.lists(st.integers(0, 3), min_size=5, max_size=40),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_every_row_is_in_one_fold_and_rows_of_a_class_are_spread(y, n_folds, seed):
    y = np.array(y)
    folds = gold_folds(y, n_folds, seed)
    assert sorted(np.concatenate(folds)) == list(range(len(y)))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for code in np.unique(y):
        counts = [int((y[fold] == code).sum()) for fold in folds]
        assert max(counts) - min(counts) <= 1


def test_classes_with_rows_enough_are_dealt_as_scikit_learn_does():
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [23, 11, 7]))
    wanted = StratifiedKFold(5, shuffle=True, random_state=3).split(y, y)
    for ours, (_, theirs) in zip(gold_folds(y, 5, 3), wanted, strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"supervised"}))
def test_one_gold_row_of_a_class_stops_no_method(name, rows):
    X, y, L = rows
    spec = parse_method(name).changed(crossfit=5)
    model = spec.make(**FAST, prior_correction=True, class_weight="balanced")
    model.fit(X, labelled(y, 11, 11, 1), **({"L": L} if spec.method.uses_votes else {}))
    assert name == "single-model" or len(model.models_) % 5 == 0
    votes = (L,) if model.exponent_ > 0 else ()
    p = model.predict_proba(X, *votes)
    assert p.shape == (N, C) and np.isfinite(p).all()


@pytest.mark.parametrize(
    "options",
    [
        {"fit_strategy": "crossfit-weights"},
        {"validation": "split"},
        {"inference": "product"},
        {"metric": "macro-f1"},
    ],
)
def test_one_gold_row_of_a_class_and_the_ways_to_fit(rows, options):
    X, y, L = rows
    model = parse_method("amal").make(**{**FAST, "fit_strategy": "crossfit", **options})
    model.fit(X, labelled(y, 11, 11, 1), L=L)
    assert np.isfinite(model.predict_proba(X, L)).all()


def test_folds_without_a_class_train_in_lock_step_as_they_do_alone(rows):
    """The fold whose V has the only row of a class is one of five that train as one."""
    X, y, L = rows
    gold = labelled(y, 11, 11, 1)
    spec = parse_method("spear:crossfit=5")
    given = {"X": X, "y": gold, "L": L}
    fits = [(spec.make(**FAST, random_state=seed), given) for seed in (0, 1)]
    model = fit_together(fits)[1]
    assert model.training_path_ == "lock step of 10"
    alone = spec.make(**FAST, random_state=1).fit(X, gold, L=L)
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-5)


def test_fewer_gold_rows_than_folds_are_as_many_folds(rows):
    X, y, L = rows
    with pytest.warns(UserWarning, match="5 folds need as many gold rows, found 3"):
        model = parse_method("amal:crossfit=5").make(**FAST).fit(X, labelled(y, 1, 1, 1), L=L)
    assert len(model.models_) == 3


def test_three_gold_rows_are_enough_for_the_recommended_method(rows):
    """Each model is trained on one gold row, validated on another one, and never sees the third."""
    X, y, L = rows
    with pytest.warns(UserWarning, match="5 folds need as many gold rows, found 3"):
        model = parse_method("recommended").make(**FAST).fit(X, labelled(y, 2, 1), L=L)
    assert np.isfinite(model.predict_proba(X, L=L)).all()
    assert model.weights_["weight"].sum() > 0
