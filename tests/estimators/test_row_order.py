"""The same rows in another order: the same split and the same model, by row id."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from spear_amal import LabelMatrix, TrainerConfig
from spear_amal.data import partition
from spear_amal.errors import InputError
from spear_amal.estimators import (
    AuxiliaryClassifier,
    DistilledClassifier,
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SpearClassifier,
)
from spear_amal.estimators.validation import places_by_id

N, D = 151, 6
T = TrainerConfig(max_epochs=12, lr=0.05, dtype="float64")
ESTIMATORS = [
    GoldClassifier(trainer=T),
    SpearClassifier(trainer=T),
    SpearClassifier(trainer=T, fit_strategy="crossfit", n_folds=2),
    SpearClassifier(trainer=T, fit_strategy="refit", validation="split"),
    LabelModelClassifier(trainer=T),
    ReweightedClassifier(trainer=T),
    SelfTrainedClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    RuleNetworkClassifier(trainer=T, inference="feature"),
    DistilledClassifier("linear", trainer=T),
    AuxiliaryClassifier("mlp:5", ["l2"], trainer=T),
]
NAMES = [f"{type(e).__name__}-{e.fit_strategy}" for e in ESTIMATORS]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    c = rng.integers(0, 2, N)
    X = pd.DataFrame(rng.normal(size=(N, D)) + 0.7 * c[:, None])
    V = np.where(rng.random((N, 4)) < 0.5, np.where(rng.random((N, 4)) < 0.75, c[:, None], 0), -1)
    y = pd.Series(np.where(np.arange(N) < 60, c, -1))
    return X, y, V, rng.permutation(N)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_a_shuffled_table_gives_the_same_model(rows, estimator):
    X, y, V, order = rows
    L = LabelMatrix.from_dense(V, row_ids=X.index)
    model = clone(estimator).fit(X, y, L=L)
    shuffled = clone(estimator).fit(X.iloc[order], y.iloc[order], L=L[order])
    assert shuffled.best_epoch_ == model.best_epoch_
    # Sums are taken in another order, so that they are rounded otherwise.
    np.testing.assert_allclose(shuffled.predict_proba(X), model.predict_proba(X), atol=1e-6)
    moved = shuffled.weights_.to_numpy()[np.argsort(order)]
    np.testing.assert_allclose(moved, model.weights_.to_numpy(), atol=1e-6)


@pytest.mark.parametrize("ids", ["index of X", "index of y", "texts in L"])
def test_ids_are_taken_from_wherever_they_are(rows, ids):
    X, y, V, order = rows
    plain, text = X.to_numpy(), np.array([f"row {i:03d}" for i in range(N)])
    expected = np.argsort(np.argsort(order))
    given = {
        "index of X": (X.iloc[order], y.to_numpy(), None),
        "index of y": (plain[order], y.iloc[order], None),
        "texts in L": (plain, None, LabelMatrix.from_dense(V, row_ids=text)[order]),
    }
    np.testing.assert_array_equal(places_by_id(given[ids], N), expected)


@pytest.mark.parametrize(
    "ids", [None, np.zeros(N), np.arange(N) * 3, [1, "a"] * 75 + [2], np.full(N, np.nan)]
)
def test_without_ids_rows_stay_as_they_come(ids):
    index = None if ids is None else pd.Index(ids)
    X = np.zeros((N, 2)) if index is None else pd.DataFrame(np.zeros((N, 2)), index=index)
    np.testing.assert_array_equal(places_by_id([None, X, np.zeros(N)], N), np.arange(N))


def test_validation_rows_in_another_order(rows):
    X, y, V, _ = rows
    c = (X.mean(axis=1) > 0).astype(int)
    # A mixer that draws from V must draw the same rows.
    model = ReweightedClassifier(trainer=T, mixer_options={"meta_size": 7})
    L = LabelMatrix.from_dense(V, row_ids=X.index)
    fit = {"X": X, "y": y, "L": L}
    first = clone(model).fit(**fit, X_val=X[60:], y_val=c[60:], L_val=L[60:])
    mixed = 60 + np.random.default_rng(1).permutation(N - 60)
    second = clone(model).fit(**fit, X_val=X.iloc[mixed], y_val=c.iloc[mixed], L_val=L[mixed])
    np.testing.assert_allclose(second.predict_proba(X), first.predict_proba(X), atol=1e-6)


def test_a_partition_by_ids_is_the_same_in_another_order():
    y = np.array([0, 1] * 30)
    order = np.random.default_rng(3).permutation(60)
    ids, sizes = np.array([f"row {i:02d}" for i in range(60)]), {"n_labelled": 9, "n_validation": 7}
    test = np.arange(5)
    first = partition(y, 0, **sizes, test=test, row_ids=ids)
    second = partition(y[order], 0, **sizes, test=np.argsort(order)[test], row_ids=ids[order])
    for part in ("labelled", "unlabelled", "validation", "test"):
        mine, theirs = ids[getattr(first, part)], ids[order][getattr(second, part)]
        assert sorted(mine) == sorted(theirs)
    plain = partition(y, 0, **sizes, test=test)
    assert plain.labelled.tolist() == first.labelled.tolist()  # sorted ids: as without
    with pytest.raises(InputError, match="row_ids"):
        partition(y, 0, **sizes, row_ids=np.zeros(60))


def test_sample_weight_of_other_rows_is_refused():
    x = pd.DataFrame(np.eye(4), index=list("abcd"))
    y = pd.Series([0, 1, 0, 1], index=x.index)
    weight = pd.Series([1.0, 0.0, 0.0, 3.0], index=x.index)
    model = GoldClassifier.from_options(max_epochs=1).fit(x, y)
    right = model.predict(x) == y.to_numpy()
    assert model.score(x, y, weight) == pytest.approx((right[0] + 3 * right[3]) / 4)
    for rows in (x, x.to_numpy()):
        with pytest.raises(InputError, match=r"sample_weight and . are not of the same rows"):
            model.score(rows, y, weight.iloc[::-1])
