"""Outer folds: who is held out from whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.studies.crossval.folds import (
    classes_in_training,
    outer_folds,
    text_groups,
    training_rows,
)


def test_texts_are_one_group_whatever_their_capitals_and_empty_ones_never():
    groups = text_groups(["Win now", " win NOW ", "", "   ", "see you"])
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == 4


@settings(max_examples=40)
@given(
    y=st.lists(st.integers(-1, 2), min_size=40, max_size=90),
    n_groups=st.integers(20, 60),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_every_gold_row_is_held_out_once_and_groups_stay_together(y, n_groups, n_folds, seed):
    y = np.array(y)
    groups = np.random.default_rng(seed).integers(n_groups, size=len(y))
    if len(np.unique(groups[y >= 0])) < n_folds or (np.bincount(y[y >= 0]) < n_folds).all():
        return
    fold = outer_folds(y, groups, n_folds, seed)
    assert ((fold >= 0) == (y >= 0)).all()
    for group in np.unique(groups[y >= 0]):
        assert len(set(fold[(groups == group) & (y >= 0)])) == 1
    for number in range(n_folds):
        kept = training_rows(fold, groups, number)
        assert not np.isin(groups[kept], groups[fold == number]).any()
        assert kept[~np.isin(groups, groups[fold == number])].all()


def test_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [50, 30, 10])
    fold = outer_folds(y, np.arange(90), 5, 0)
    for number in range(5):
        assert np.bincount(y[fold == number]).tolist() == [10, 6, 2]


def test_a_class_of_few_rows_is_dealt_out():
    y = np.repeat([0, 1, 2, -1], [20, 3, 1, 6])
    fold = outer_folds(y, np.arange(30), 5, 0)
    assert np.bincount(fold[y == 1]).max() == 1
    kept = classes_in_training(y, np.arange(30), fold)
    wanted = [[0, 1] if number == fold[y == 2] else [0, 1, 2] for number in range(5)]
    assert [codes.tolist() for codes in kept] == wanted


def test_rows_of_one_text_that_are_all_of_a_class_leave_none_to_train_on():
    y = np.repeat([0, 1], [20, 6])
    groups = np.concatenate([np.arange(20), np.full(6, 99)])
    kept = classes_in_training(y, groups, outer_folds(y, groups, 3, 0))
    assert sorted(codes.tolist() for codes in kept) == [[0], [0, 1], [0, 1]]


def test_too_few_texts_for_the_folds():
    with pytest.warns(UserWarning, match=r"5 folds need as many gold rows .* found 3"):
        fold = outer_folds(np.array([0, 0, 1, -1]), np.arange(4), 5, 0)
    assert sorted(fold) == [-1, 0, 1, 2]
    with pytest.raises(InputError, match=r"two gold rows .* found 1"):
        outer_folds(np.array([0, 0]), np.zeros(2), 5, 0)


def test_fewer_rows_of_every_class_than_folds():
    y = np.array([0, 0, 0, 1, 1, 1, -1, 1])
    groups = np.array([0, 1, 2, 3, 4, 5, 6, 3])  # two rows of one text
    fold = outer_folds(y, groups, 5, 0)
    assert fold[6] == -1 and fold[3] == fold[7]
    assert sorted(set(fold[y >= 0])) == [0, 1, 2, 3, 4]
    assert np.bincount(fold[[0, 1, 2]]).max() == 1  # rows of a class are spread
    assert (fold == outer_folds(y, groups, 5, 0)).all()
