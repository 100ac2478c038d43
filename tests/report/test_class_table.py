"""Scores from confusion matrices, against scikit-learn and against formulas by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from spear_amal.report.class_table import (
    class_table,
    overall_scores,
    readable_class_table,
    scores_sentence,
)

COUNTS = np.array([[31, 5, 2], [3, 17, 0], [7, 1, 11]])


def rows_of(counts):
    gold, predicted = np.indices(counts.shape).reshape(2, -1).repeat(counts.ravel(), axis=1)
    return gold, predicted


def test_scores_are_those_of_scikit_learn():
    table = class_table(COUNTS, ["a", "b", "c"])
    expected = precision_recall_fscore_support(*rows_of(COUNTS))
    for name, values in zip(("precision", "recall", "F1", "gold rows"), expected, strict=True):
        np.testing.assert_allclose(table[name], values)
    assert table["predicted"].tolist() == [41, 23, 13]


def test_intervals_are_wilson_and_f1_lies_between_its_own():
    table = class_table(COUNTS, ["a", "b", "c"])
    for j, (right, gold, predicted) in enumerate([(31, 38, 41), (17, 20, 23), (11, 19, 13)]):
        for name, total in (("precision", predicted), ("recall", gold)):
            interval = binomtest(right, total).proportion_ci(0.95, "wilson")
            found = table.loc[j, [f"{name} low", f"{name} high"]].astype(float)
            np.testing.assert_allclose(found, [interval.low, interval.high])
        union = binomtest(right, gold + predicted - right).proportion_ci(0.95, "wilson")
        f1 = [2 * share / (1 + share) for share in (union.low, union.high)]
        np.testing.assert_allclose(table.loc[j, ["F1 low", "F1 high"]].astype(float), f1)


def test_the_interval_of_f1_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(3)
    shares = np.array([[0.2, 0.04], [0.06, 0.7]])
    truth = 2 * 0.2 / (0.24 + 0.26)
    draws = generator.multinomial(150, shares.ravel(), size=400).reshape(-1, 2, 2)
    tables = [class_table(counts, ["a", "b"]).loc[0] for counts in draws]
    inside = np.mean([row["F1 low"] <= truth <= row["F1 high"] for row in tables])
    assert 0.92 < inside < 0.98


def test_overall_scores():
    scores = overall_scores(COUNTS).set_index("score")
    gold, predicted = rows_of(COUNTS)
    assert scores.loc["accuracy", "value"] == pytest.approx(accuracy_score(gold, predicted))
    macro = f1_score(gold, predicted, average="macro")
    assert scores.loc["macro F1", "value"] == pytest.approx(macro)
    low, high = scores.loc["macro F1", ["low", "high"]]
    assert low < macro < high and 0.1 < high - low < 0.3
    assert overall_scores(COUNTS).equals(overall_scores(COUNTS))


def test_classes_without_rows_have_no_scores():
    table = class_table(np.array([[4, 0, 0], [2, 0, 0], [0, 0, 0]]), ["a", "b", "c"])
    assert np.isnan(table.loc[1, "precision"]) and table.loc[1, "recall"] == 0
    assert table.loc[2, ["precision", "recall", "F1", "F1 low"]].isna().all()
    assert readable_class_table(table).iloc[2].tolist()[:5] == ["c", "0", "0", "n/a", "n/a"]


def test_all_right_and_no_rows():
    assert "macro F1 1.000 (95% interval n/a)" in scores_sentence(np.diag([5, 3]), "8 rows")
    assert overall_scores(np.zeros((2, 2), dtype=int))["value"].isna().tolist() == [True, False]
