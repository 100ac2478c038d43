"""Rows to label next: uncertain, disputed, uncovered, of rare classes, and no near duplicates."""

import numpy as np
import pytest
import scipy.sparse as sp

from spear_amal import LabelMatrix
from spear_amal.errors import InputError
from spear_amal.labeling import next_rows


def test_each_reason():
    L = np.array([[0, 0], [0, 1], [-1, -1], [1, 1], [0, 0], [0, 0], [0, 0]])
    p = np.array([[1, 0], [0.9, 0.1], [1, 0], [0, 1], [1, 0], [0.55, 0.45], [1, 0]])
    y = [0, -1, -1, -1, 0, -1, 0]
    # Scores: disputed 1 + 0.2, uncertain 0.9, uncovered 0.5; row 3 alone looks like class 1.
    chosen = next_rows(L, y, n=6, proba=p)
    assert chosen["row"].tolist() == [1, 5, 2, 3]
    assert chosen["reason"].tolist() == [
        "votes contradict each other",
        "the classifier is uncertain",
        "no LF votes on it",
        "it may be of class 1, which has the fewest labels",
    ]
    assert chosen["score"].tolist() == pytest.approx([1.2, 0.9, 0.5, 0.0])
    assert chosen["class"].tolist() == [0, 0, 0, 1]


def test_labelled_rows_are_never_chosen():
    draw = np.random.default_rng(3)
    L = draw.integers(-1, 3, (101, 5))
    y = np.where(draw.random(101) < 0.7, draw.integers(0, 3, 101), -1)
    chosen = next_rows(L, y, n=500)
    assert sorted(chosen["row"]) == np.flatnonzero(y < 0).tolist()


def test_near_duplicates_are_left_out_and_others_come_first():
    L = np.full((5, 1), -1)
    X = np.array([[1, 0, 0], [1, 0.01, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
    y = [-1, -1, -1, -1, 0]  # rows 0 and 1 are as the labelled one
    for features in (X, sp.csr_array(X)):
        chosen = next_rows(L, y, n=4, X=features)
        # Cosines to the labelled row: row 3 has 0, row 2 has 0.7 and is more typical. Row 0 is the
        # same as the labelled one, row 1 is nearly so: it is drawn, last of all.
        assert sorted(chosen["row"][:2]) == [2, 3] and chosen["row"].tolist()[2:] == [1]


def test_of_rows_with_the_same_features_one_is_chosen():
    X = np.repeat(np.eye(7), 9, axis=0)  # seven texts, nine rows of each
    y = np.full(63, -1)
    y[0] = 0
    chosen = next_rows(np.arange(63)[:, None] % 2, y, n=40, X=X)
    assert sorted(chosen["row"] // 9) == [1, 2, 3, 4, 5, 6]


def test_the_other_half_goes_to_the_class_with_the_fewest_labels():
    guesses = np.array([0] * 40 + [1] * 20 + [2] * 5)
    y = np.full(65, -1)
    y[:6], y[40:42] = 0, 1  # 6 labels of class 0, 2 of class 1, none of class 2
    chosen = next_rows(guesses[:, None], y, n=16)
    is_drawn = chosen["reason"].str.startswith("it may be of class")
    drawn, by_score = chosen[is_drawn], chosen[~is_drawn]
    labels = np.bincount(y[y >= 0], minlength=3) + np.bincount(by_score["class"], minlength=3)
    for code in drawn["class"]:
        left = np.flatnonzero([labels[k] < {0: 40, 1: 20, 2: 5}[k] for k in range(3)])
        assert labels[code] == labels[left].min()
        labels[code] += 1
    assert len(drawn) == 8


def test_the_reason_of_a_draw_is_true_of_its_class():
    L = np.array([[0], [0], [0], [0], [1], [1], [1], [1]])
    fewest, even = "which has the fewest labels", "drawn so that all classes get labels"
    for y, why in [([0, 0, 1], {0: even, 1: fewest}), ([0, 1], {0: even, 1: even})]:
        gold = np.append(y, np.full(8 - len(y), -1))
        chosen = next_rows(L, gold, n=8)
        drawn = chosen[chosen["reason"].str.startswith("it may be")]
        assert len(drawn)
        for code, reason in zip(drawn["class"], drawn["reason"], strict=True):
            assert reason == f"it may be of class {code}, {why[code]}"


def test_the_same_seed_draws_the_same_rows():
    L = np.random.default_rng(0).integers(-1, 2, (53, 3))
    some = [next_rows(L, n=20, seed=seed)["row"].tolist() for seed in (1, 1, 2)]
    assert some[0] == some[1] != some[2]


def test_classes_are_named():
    L = LabelMatrix.from_dense([[0, 1], [1, 1]], classes=["ham", "spam"])
    assert next_rows(L, ["ham", None])["class"].tolist() == ["spam"]


def test_what_does_not_fit_is_refused():
    L = np.array([[0], [1]])
    with pytest.raises(InputError, match="all rows have a label"):
        next_rows(L, [0, 1])
    with pytest.raises(InputError, match="proba must hold probabilities of 2 classes for 2 rows"):
        next_rows(L, proba=np.ones((3, 2)))
    with pytest.raises(InputError, match=r"X must be features of 2 rows, as L has, found"):
        next_rows(L, X=np.ones((3, 2)))
    with pytest.raises(InputError, match="n must be"):
        next_rows(L, n=0)
