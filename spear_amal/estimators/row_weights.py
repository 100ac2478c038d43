"""How much each row, and each class, counts: ``sample_weight`` and ``class_weight``.

The losses of a row are multiplied by its weight, whatever the mixer; the divisor n_k stays the
number of rows. So that a weight of 2 says what the row twice says, weights are divided by their
mean over the gold rows of training: only their ratios matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.matrix_checks import as_floats
from spear_amal.votes.row_ids import check_same_rows

BALANCED = "balanced"


def read_weights(sample_weight: Any, X: Any, y: Any) -> np.ndarray | None:
    """Return the weights (n,) of rows as float; None without any.

    Raises
    ------
    InputError
        If they are no finite numbers of at least 0, all 0, or of other rows.
    """
    if sample_weight is None:
        return None
    weights = as_floats(sample_weight, "sample_weight")
    n = X.shape[0] if getattr(X, "shape", ()) else len(_listed(X))
    if weights.ndim == 0:
        weights = np.full(n, float(weights))
    if weights.shape != (n,):
        raise InputError(
            f"sample_weight must be one number a row, for {n} rows, found an array of shape "
            f"{weights.shape}"
        )
    check_same_rows(sample_weight, X, "sample_weight", "X")
    check_same_rows(sample_weight, y, "sample_weight", "y")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise InputError(
            f"sample_weight must be finite numbers of at least 0, found {weights[wrong][0]} in row "
            f"{int(wrong.argmax())}"
        )
    if not weights.any():
        raise InputError("sample_weight is zero on all rows: there is nothing to train on")
    return weights


def rows_that_count(weights: np.ndarray | None) -> np.ndarray | None:
    """Return the numbers of the rows with a weight above 0; None if all rows have one."""
    if weights is None or (weights > 0).all():
        return None
    return np.flatnonzero(weights)


def take_rows(values: Any, rows: np.ndarray) -> Any:
    """Return some rows of what has n of them: arrays, lists, tables, votes; of a mapping, each."""
    if values is None:
        return None
    if isinstance(values, LabelMatrix):
        return values[rows]
    if isinstance(values, Mapping):
        return {name: take_rows(column, rows) for name, column in values.items()}
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if hasattr(values, "tocsr"):
        return values.tocsr()[rows]
    if hasattr(values, "schema") and hasattr(values, "take"):  # a table of Arrow
        return values.take(rows)
    if hasattr(values, "shape"):
        return values[rows]
    listed = _listed(values)
    return [listed[row] for row in rows.tolist()]


def _listed(values: Any) -> Any:
    """Return what may be no more than an array in waiting as something to count and index."""
    return values if hasattr(values, "__getitem__") else np.asarray(values)


def with_left_out(table: pd.DataFrame, rows: np.ndarray, n: int) -> pd.DataFrame:
    """Return a table of the rows that counted, and of V, with NaN in the rows (n,) left out."""
    if not len(table):
        return table
    whole = np.full((n + len(table) - len(rows), table.shape[1]), np.nan)
    whole[rows], whole[n:] = table.iloc[: len(rows)], table.iloc[len(rows) :]
    return pd.DataFrame(whole, columns=table.columns)


def with_mean_one(weights: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return weights (n,) over their mean on the rows `gold`, or on all rows if there are none."""
    return weights / (weights[gold] if len(gold) else weights).mean()


def class_factors(
    class_weight: Any, codes: Any, y: np.ndarray, weights: np.ndarray | None, n_classes: int
) -> np.ndarray | None:
    """Return a factor for each class (C,), of mean 1 over the rows.

    Parameters
    ----------
    class_weight : "balanced", mapping of class to number, or None
        Classes that a mapping leaves out have 1.
    codes : function of a list of classes
        Reads them as codes, or raises.
    y : ndarray (n,)
        Gold codes of training.
    weights : ndarray (n,), optional
        Of these rows.
    n_classes : int

    Raises
    ------
    InputError
        If a class is unknown, or a number is none above 0.
    """
    if class_weight is None:
        return None
    rows = np.bincount(y, weights, minlength=n_classes).astype(float)  # in each class
    factors = np.ones(n_classes)
    if isinstance(class_weight, Mapping):
        values = as_floats(list(class_weight.values()), "class_weight")
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(
                f"class_weight must be finite numbers above 0, found {dict(class_weight)}"
            )
        factors[codes(list(class_weight))] = values
    else:
        factors[rows > 0] = rows.sum() / rows[rows > 0]
    return factors * rows.sum() / (factors * rows).sum()
