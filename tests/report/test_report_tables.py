import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spear_amal.labeling import LFAnalysis, VotesTest, lf_check
from spear_amal.report import (
    comparison_table,
    extreme_rows,
    lf_table,
    readable_accuracy,
    readable_coverage,
    votes_sentence,
)
from spear_amal.studies import SplitComparisonRow
from spear_amal.votes.label_matrix import LabelMatrix


def test_lf_table_holds_the_analysis(votes, examples):
    table = lf_table(votes, examples.y)
    analysis = LFAnalysis(votes)
    np.testing.assert_array_equal(table["coverage"], analysis.lf_coverages())
    np.testing.assert_array_equal(table["conflicts"], analysis.lf_conflicts())
    intervals = analysis.accuracy_intervals(examples.y)
    for theirs, ours in (("n", "gold votes"), ("accuracy", "accuracy"), ("low", "low")):
        np.testing.assert_array_equal(table[ours], intervals[theirs])
    check = lf_check(votes, examples.y)
    np.testing.assert_array_equal(table["chance"], check["chance"])
    assert table["verdict"].tolist() == check["verdict"].tolist()
    assert (
        list(readable_accuracy(table)["LF"])
        == list(readable_coverage(table)["LF"])
        == list(votes.lf_names)
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (VotesTest(0.0005, 0.81, 0.5, 97, 211), "on 97 .* 81% .* 50% .* 0.0005.*tell something"),
        (VotesTest(0.31, 0.52, 0.5, 97, 211), "not told from blind"),
        (VotesTest(0.31, 0.52, 0.5, 19, 23), "too few rows"),
        (VotesTest(1.0, np.nan, np.nan, 0, 0), "No labelled row has a vote"),
    ],
)
def test_sentence_on_all_votes(found, said):
    assert re.search(said, votes_sentence(found))


@pytest.mark.parametrize("gold", [None, np.full(31, -1)])
def test_without_gold_there_are_no_accuracies(votes, gold):
    table = lf_table(votes, gold)
    assert list(table) == ["LF", "votes for", "coverage", "overlaps", "conflicts"]
    assert list(readable_coverage(table)) == list(table)


def test_lf_that_never_votes_or_declares():
    matrix = LabelMatrix.from_dense(
        [[-1, -1, 1], [-1, -1, 0]], classes=["a", "b"], lf_classes=[-1, 1, -1]
    )
    table = lf_table(matrix, np.array([1, 1]))
    assert table["votes for"].tolist() == ["-", "b", "a, b"]
    assert readable_coverage(table)["coverage"].tolist() == ["0.0%", "0.0%", "100.0%"]
    shown = readable_accuracy(table)
    assert shown["accuracy"].tolist() == ["n/a", "n/a", "0.50"]
    assert shown["95% interval"].tolist()[:2] == ["", ""]
    assert shown["chance"].tolist() == ["n/a", "n/a", "0.50"]
    assert shown["grade"].tolist() == ["silent", "silent", "unclear"]


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ([1, 2, 3], "123"),
        ({"x": 1, "y": 2, "z": 3}, "xyz"),
        ({"x": 7, "y": 0, "z": 2}, "yzx"),  # codes follow the ids
    ],
)
def test_classes_called_by_numbers_are_named_as_they_are(classes, names):
    matrix = LabelMatrix.from_dense([[0, 2, -1], [1, 2, -1]], classes=classes)
    a, b, c = names
    assert lf_table(matrix)["votes for"].tolist() == [f"{a}, {b}", c, "-"]


def test_no_rows_are_no_error():
    table = lf_table(LabelMatrix.from_dense(np.zeros((0, 3), dtype=int)), np.zeros(0, dtype=int))
    assert readable_coverage(table)["coverage"].tolist() == ["0.0%"] * 3


def test_comparison_says_what_was_given_and_how_far_validation_flatters():
    scores = {"accuracy": 0.8, "f1": 0.75, "macro-f1": 0.7, "nll": 0.5, "ece": 0.1}
    row = SplitComparisonRow("m", "M", "100 gold", "f1", scores, val_score=0.8, seconds=1.25)
    (shown,) = comparison_table([row]).to_dict(orient="records")
    assert shown["was given"] == "100 gold"
    assert (shown["test F1"], shown["validation F1"]) == ("75.0", "80.0")
    assert (shown["test accuracy"], shown["optimism"]) == ("80.0", "+5.0")
    once = comparison_table([replace(row, metric="accuracy")])
    assert list(once).count("test accuracy") == 1


def test_extreme_rows_are_unlabelled_and_at_the_ends(examples):
    shown = extreme_rows(examples, count=5)
    assert len(shown) == 10
    rows = shown["row"].astype(int).to_numpy()
    assert len(set(rows)) == 10 and (examples.y[rows] == -1).all()
    usable = (examples.y == -1) & examples.votes.covered()
    ordered = np.sort(examples.weights["consensus"][usable])
    picked = examples.weights["consensus"][rows].to_numpy()
    np.testing.assert_array_equal(picked[:5], ordered[:5])
    np.testing.assert_array_equal(picked[5:], ordered[::-1][:5])
    assert shown["text"].str.len().max() <= 180 and shown["text"].str.endswith("…").all()


def test_ties_go_to_the_earlier_row(examples):
    tied = pd.Series(np.repeat([1.0, 0.0], [21, 10]))
    weights = examples.weights.assign(consensus=tied.where(examples.weights["consensus"].notna()))
    rows = extreme_rows(replace(examples, weights=weights), count=3)["row"].astype(int).tolist()
    usable = np.flatnonzero((examples.y == -1) & examples.votes.covered()).tolist()
    assert rows[:3] == [i for i in usable if i >= 21][:3]
    assert rows[3:] == [i for i in usable if i < 21][:3]


def test_votes_of_an_example_are_named(examples):
    shown = extreme_rows(examples, count=2)
    for row, votes in zip(shown["row"].astype(int), shown["votes"], strict=True):
        fired = examples.votes[row]
        assert votes.count(": ") == (fired >= 0).sum()


@pytest.mark.parametrize("drop", [["consensus"], ["gold", "consensus", "agreement"]])
def test_no_such_loss_no_rows(examples, drop):
    held = replace(examples, weights=examples.weights.drop(columns=drop))
    assert len(extreme_rows(held)) == 0


@pytest.mark.parametrize("classes", [[1, 2, 3], {"low": 7, "mid": 5, "high": 9}])
def test_votes_are_named_whatever_the_ids_of_classes(classes):
    L = LabelMatrix.from_dense([[0, 2], [1, -1], [-1, 2]], classes=classes)
    names = list(L.classes)
    assert lf_table(L)["votes for"].tolist() == [f"{names[0]}, {names[1]}", str(names[2])]
