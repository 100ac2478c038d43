"""Between probabilities and predictions, and leaving out rows without votes."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from spear_amal._typing import MatrixLike, VectorLike, VotesLike
from spear_amal.checks import check_name, check_not_negative, check_whole
from spear_amal.errors import InputError
from spear_amal.seeds import random_generator
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import ABSTAIN, as_label_matrix
from spear_amal.votes.matrix_checks import as_floats, as_rows
from spear_amal.votes.row_ids import align_votes, check_same_rows

TIE_BREAKS = ("random", "true-random", "abstain")


def filter_unlabeled_dataframe(
    X: pd.DataFrame, y: VectorLike, L: VotesLike
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows on which at least one LF fired.

    Parameters
    ----------
    X : DataFrame of n rows
    y : array (n,) or (n, C)
        Labels or probabilities.
    L : LabelMatrix or array (n, m)

    Returns
    -------
    DataFrame, array
        `X` and `y` without the rows that nobody voted on.

    Raises
    ------
    InputError
        If lengths differ, or the index of `X` says that L is of other rows.
    """
    if not isinstance(X, pd.DataFrame):
        raise InputError(f"X must be a DataFrame, found {type(X).__name__}")
    covered = as_label_matrix(align_votes(L, [X])).covered()
    labels = as_rows(y, "y")
    if not len(X) == len(labels) == len(covered):
        raise InputError(f"X has {len(X)} rows, y {len(labels)}, L {len(covered)}; they must agree")
    check_same_rows(y, X, "y", "X")
    return X.iloc[covered], labels[covered]


def probs_to_preds(
    probs: MatrixLike,
    tie_break_policy: str = "random",
    tol: float = 1e-5,
    random_state: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Most probable class of each row.

    Parameters
    ----------
    probs : array (n, C)
    tie_break_policy : {"random", "true-random", "abstain"}
        "random" picks one of the tied classes by a hash of the row number (as Snorkel does: the
        same at every call), "true-random" by `random_state`, "abstain" gives -1.
    tol : float, default=1e-5
        Probabilities closer than this to the largest are tied with it.
    random_state : Generator or int, optional
        For "true-random".

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    InputError
        If `probs` have another shape, or one is no finite number.

    Examples
    --------
    >>> probs_to_preds([[0.8, 0.2], [0.5, 0.5]], tie_break_policy="abstain")
    array([ 0, -1])
    """
    array = as_floats(probs, "probs")
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(f"probs must have shape (n, C) with C of at least 2, found {array.shape}")
    if not np.isfinite(array).all():
        row = int((~np.isfinite(array)).any(axis=1).argmax())
        raise InputError(f"probs must be finite numbers, found {array[row].tolist()} in row {row}")
    check_name("tie_break_policy", tie_break_policy, TIE_BREAKS)
    check_not_negative("tol", tol)
    best = np.argmax(array, axis=1)
    tied = array.max(axis=1, keepdims=True) - array < tol
    rows = np.flatnonzero(tied.sum(axis=1) > 1)
    if tie_break_policy == "abstain":
        best[rows] = ABSTAIN
        return best
    rng = random_generator(random_state, "random_state")
    for row in rows.tolist():
        options = np.flatnonzero(tied[row])
        draw = _hash(row) if tie_break_policy == "random" else int(rng.integers(len(options)))
        best[row] = options[draw % len(options)]
    return best


def _hash(number: int) -> int:
    return int(hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest(), 16)


def preds_to_probs(preds: VectorLike, num_classes: int) -> np.ndarray:
    """Probability 1 for the predicted class of each row.

    Parameters
    ----------
    preds : array (n,) or (n, 1)
    num_classes : int

    Returns
    -------
    ndarray of float, shape (n, num_classes)

    Raises
    ------
    InputError
        If a prediction is -1 or no class.
    """
    check_whole("num_classes", num_classes, 1)
    classes = read_gold(preds, num_classes, "preds").codes
    if (classes == ABSTAIN).any():
        raise InputError(
            f"preds must be classes from 0 to {num_classes - 1}, found -1 in row "
            f"{int((classes == ABSTAIN).argmax())}; abstained rows have no probabilities, leave "
            "them out first"
        )
    return np.eye(num_classes)[classes]
