"""Outer folds over the gold rows: rows of one text stay together, classes keep their shares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from spear_amal.data.splits import normalise_texts
from spear_amal.errors import InputError

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

    Raises
    ------
    InputError
        If there are fewer groups of gold rows than folds.
    """
    gold = np.flatnonzero(y >= 0)
    n_groups = len(np.unique(groups[gold]))
    if n_groups < n_folds:
        raise InputError(
            f"{n_folds} folds need as many gold rows with different texts, found {n_groups}; "
            "label more rows, or ask for fewer folds"
        )
    fold = np.full(len(y), NOT_HELD_OUT)
    if np.bincount(y[gold]).max() < n_folds:  # too few rows of every class for scikit-learn
        fold[gold] = _dealt(y[gold], groups[gold], n_folds, seed)
        return fold
    dealer = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a class of fewer rows than folds is in some folds only
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, held_out) in enumerate(dealer.split(gold, y[gold], groups[gold])):
            fold[gold[held_out]] = number
    return fold


def _dealt(y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Deal groups out one by one, class by class: the folds (n,) of few rows."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    order = shuffled[np.argsort(y[first[shuffled]], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % n_folds
    return fold[group]


def training_rows(fold: np.ndarray, groups: np.ndarray, number: int) -> np.ndarray:
    """Return which rows (n,) may be trained on while a fold is held out.

    All but the rows of the fold and rows without gold that have a text of the fold.
    """
    return ~np.isin(groups, groups[fold == number])


def fewest_in_training(y: np.ndarray, groups: np.ndarray, fold: np.ndarray) -> tuple[int, int]:
    """Return the least number of gold rows that a class has in training, and the class's code."""
    codes = np.unique(y[y >= 0])
    counts = np.array(
        [
            [int((y[training_rows(fold, groups, number)] == code).sum()) for code in codes]
            for number in range(fold.max() + 1)
        ]
    ).min(0)
    rarest = int(counts.argmin())
    return int(counts[rarest]), int(codes[rarest])
