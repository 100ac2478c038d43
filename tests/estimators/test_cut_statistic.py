"""Rows whose neighbours have the same pseudo-label, and what trains on them."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from spear_amal import LabelMatrix, LabelModelClassifier, SpearClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import ReweightedClassifier
from spear_amal.estimators.cut_statistic import NeighbourGraph, kept_rows

N, D = 211, 3


def by_hand(X, labels, k):
    """The statistic row by row, from its definition."""
    n = len(X)
    share = {c: sum(label == c for label in labels) / n for c in set(labels.tolist())}
    values = []
    for i in range(n):
        distances = sorted((math.dist(X[i], X[j]), j) for j in range(n) if j != i)[:k]
        weights = [1 / (1 + d) for d, _ in distances]
        cut = sum(w for w, (_, j) in zip(weights, distances, strict=True) if labels[j] != labels[i])
        p = share[labels[i]]
        mean = (1 - p) * sum(weights)
        sd = math.sqrt(p * (1 - p) * sum(w * w for w in weights))
        values.append((cut - mean) / sd)
    return values


@pytest.mark.parametrize("k", [1, 5])
def test_the_statistic_is_that_of_its_definition(k):
    rng = np.random.default_rng(k)
    X, labels = rng.normal(size=(23, D)), rng.integers(0, 3, 23)
    graph = NeighbourGraph.of(X, np.arange(23), k)
    np.testing.assert_allclose(graph.cut_statistic(labels), by_hand(X, labels, k))


def test_rows_of_texts_are_compared_by_their_angle():
    rng = np.random.default_rng(0)
    X, labels = rng.random((17, 5)), rng.integers(0, 2, 17)
    unit = X / np.sqrt((X**2).sum(1, keepdims=True))
    graph = NeighbourGraph.of(sp.csr_array(X * rng.uniform(1, 9, (17, 1))), np.arange(17), 4)
    np.testing.assert_allclose(graph.cut_statistic(labels), by_hand(unit, labels, 4))


def test_one_label_alone_tells_no_row_from_another():
    graph = NeighbourGraph.of(np.eye(4), np.arange(4))
    assert graph.cut_statistic(np.zeros(4, dtype=int)).tolist() == [0, 0, 0, 0]


def test_of_two_heaps_the_rows_with_the_label_of_the_other_go():
    rng = np.random.default_rng(1)
    heap = np.repeat([0, 1], 40)
    X = rng.normal(size=(80, D)) + 9 * heap[:, None]
    wrong = np.isin(np.arange(80), [3, 17, 44, 79])
    labels = np.where(wrong, 1 - heap, heap)
    rows = np.arange(80) * 2 + 5  # numbers in a larger table
    graph = NeighbourGraph.of(
        np.repeat(X, 2, axis=0)[np.maximum(np.arange(170) - 5, 0) % 160], rows
    )
    kept = kept_rows(graph, labels, 0.95)
    assert sorted(set(rows) - set(kept)) == rows[wrong].tolist()
    assert len(kept_rows(graph, labels, 1.0)) == 80
    assert sorted(labels[(kept_rows(graph, labels, 1e-9) - 5) // 2]) == [0, 1]


@pytest.fixture(scope="module")
def rows():
    """Two heaps; LFs that are right in three of four rows."""
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, N)
    X = rng.normal(size=(N, D)) + 4 * gold[:, None]
    right = rng.random((N, 1)) < 0.75
    votes = np.where(
        rng.random((N, 3)) < 0.8, np.where(right, gold[:, None], 1 - gold[:, None]), -1
    )
    y = np.where(np.arange(N) < 30, gold, -1)
    return X, y, LabelMatrix.from_dense(votes, classes=range(2)), gold


@pytest.mark.parametrize("cls", [SpearClassifier, LabelModelClassifier, ReweightedClassifier])
@pytest.mark.parametrize("strategy", ["single", "refit", "crossfit"])
def test_estimators_train_on_the_share_of_rows_that_is_kept(cls, strategy, rows):
    X, y, L, gold = rows
    options = {"trainer": TrainerConfig(max_epochs=3), "fit_strategy": strategy, "n_folds": 3}
    whole = cls(**options).fit(X, y, L)
    model = cls(**options, cut_statistic=0.6).fit(X, y, L)
    for all_of, some in zip(_trained(whole), _trained(model), strict=True):
        unlabelled = all_of[y[all_of] < 0]
        kept = some[y[some] < 0]
        assert set(kept) < set(unlabelled)
        assert 0.5 < len(kept) / len(unlabelled) < 0.7
        assert set(all_of[y[all_of] >= 0]) == set(some[y[some] >= 0])
        right = np.asarray(L).max(1) == gold
        assert right[kept].mean() > right[unlabelled].mean() + 0.1


def _trained(model):
    """Rows of the pool that a loss counted on, of all models."""
    return [np.flatnonzero(model.weights_.notna().any(axis=1))]


def test_without_it_nothing_changes(rows):
    X, y, L, _ = rows
    options = {"trainer": TrainerConfig(max_epochs=2)}
    plain, all_kept = (
        SpearClassifier(**options, cut_statistic=s).fit(X, y, L) for s in (None, 1.0)
    )
    np.testing.assert_array_equal(plain.predict_proba(X), all_kept.predict_proba(X))


def test_what_cannot_be_used(rows):
    X, y, L, _ = rows
    for share in (0, 1.2, "half"):
        with pytest.raises(ValueError, match="cut_statistic"):
            SpearClassifier(cut_statistic=share).fit(X, y, L)
    with pytest.raises(InputError, match="images"):
        NeighbourGraph.of(np.zeros((3, 1, 2, 2)), np.arange(3))
    with pytest.raises(InputError, match=r"1 row\(s\) with votes"):
        NeighbourGraph.of(np.zeros((3, 2)), np.arange(1))
