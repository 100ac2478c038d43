"""Outer folds over the gold rows: rows of one text stay together, classes keep their shares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from spear_amal.data.splits import normalise_texts
from spear_amal.estimators.cross_fitting import gold_folds, possible_folds

NOT_HELD_OUT = -1


def text_groups(texts: Sequence[str]) -> np.ndarray:
    """Return numbers (n,) of texts: one for all that are equal when stripped and without capitals.

    Empty texts get a number each, since there is nothing in them that could be recognised.

    Examples
    --------
    >>> text_groups(["Hi", "", "hi ", "no", ""]).tolist()
    [0, 1, 0, 2, 3]
    """
    numbers: dict[object, int] = {}
    keys = ((text or (row,)) for row, text in enumerate(normalise_texts(texts)))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def outer_folds(y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Deal the gold rows into folds; rows of one group go into one fold.

    Parameters
    ----------
    y : ndarray (n,)
        Class codes, -1 for rows without gold.
    groups : ndarray (n,)
        See :func:`text_groups`.
    n_folds : int
    seed : int

    Returns
    -------
    ndarray of int (n,)
        The fold that holds a gold row out; -1 for rows without gold.

    Warns
    -----
    UserWarning
        If there are fewer groups of gold rows than folds; then there are as many folds as groups.
    """
    gold = np.flatnonzero(y >= 0)
    _, first, group = np.unique(groups[gold], return_index=True, return_inverse=True)
    n_folds = possible_folds(n_folds, len(first), "gold rows with different texts")
    fold = np.full(len(y), NOT_HELD_OUT)
    if np.bincount(y[gold]).max() < n_folds:  # too few rows of every class for scikit-learn
        of_group = np.empty(len(first), dtype=np.int64)
        for number, dealt in enumerate(gold_folds(y[gold][first], n_folds, seed)):
            of_group[dealt] = number
        fold[gold] = of_group[group]
        return fold
    dealer = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a class of fewer rows than folds is in some folds only
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, held_out) in enumerate(dealer.split(gold, y[gold], groups[gold])):
            fold[gold[held_out]] = number
    return fold


def training_rows(fold: np.ndarray, groups: np.ndarray, number: int) -> np.ndarray:
    """Return which rows (n,) may be trained on while a fold is held out.

    All but the rows of the fold and rows without gold that have a text of the fold.
    """
    return ~np.isin(groups, groups[fold == number])


def classes_in_training(y: np.ndarray, groups: np.ndarray, fold: np.ndarray) -> list[np.ndarray]:
    """Return for each fold the codes of the classes that keep gold rows in training."""
    kept = (training_rows(fold, groups, number) & (y >= 0) for number in range(fold.max() + 1))
    return [np.unique(y[rows]) for rows in kept]
