"""Rows grouped by their labels: true, predicted, voted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import ABSTAIN


def label_column(labels: VectorLike, name: str = "labels") -> np.ndarray:
    """Labels (n,) or (n, 1) as an integer array (n,).

    Raises
    ------
    InputError
        If they have another shape or are no whole numbers.
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{name} must have shape (n,) or (n, 1), found {array.shape}")
    whole = array.dtype.kind in "iub" or (
        array.dtype.kind == "f" and bool((array == np.floor(array)).all())
    )
    if array.size and not whole:
        raise InputError(f"{name} must be whole numbers (-1 for no label), found {array.dtype}")
    return array.astype(np.int64)


def gold_column(labels: VectorLike, n_rows: int) -> np.ndarray:
    """Gold classes (n_rows,) of the rows of a label matrix, -1 for none.

    Raises
    ------
    InputError
        If there is another number of labels, or one lies below -1.
    """
    gold = label_column(labels, "Y")
    if len(gold) != n_rows:
        raise InputError(f"Y has {len(gold)} labels, L has {n_rows} rows")
    if gold.size and gold.min() < ABSTAIN:
        raise InputError(f"Y must be classes from 0, or -1 for none; found {gold.min()}")
    return gold


def get_label_buckets(*y: VectorLike) -> dict[tuple[int, ...], np.ndarray]:
    """Row numbers by combination of labels.

    Parameters
    ----------
    *y : arrays (n,)
        For example gold labels and predictions.

    Returns
    -------
    dict of tuple of int to ndarray of int
        Only combinations that occur.

    Examples
    --------
    >>> buckets = get_label_buckets([1, 1, 0], [1, 0, 1])
    >>> buckets[1, 0]
    array([1])
    """
    columns = [label_column(labels) for labels in y]
    if len({len(column) for column in columns}) != 1:
        raise InputError(
            f"needed label arrays of one length, found {[len(column) for column in columns]}"
        )
    kinds, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse, minlength=len(kinds)))[:-1]
    groups = np.split(order, ends) if len(kinds) else []
    return {tuple(kind): rows for kind, rows in zip(kinds.tolist(), groups, strict=True)}


def get_label_instances(bucket: tuple[int, ...], x: VectorLike, *y: VectorLike) -> np.ndarray:
    """Rows of `x` that have one combination of labels.

    Parameters
    ----------
    bucket : tuple of int
        A label for each array of `y`.
    x : array (n, ...)
    *y : arrays (n,)

    Returns
    -------
    ndarray
        Empty if the combination does not occur.

    Raises
    ------
    InputError
        If lengths differ.

    Examples
    --------
    >>> get_label_instances((1, 0), np.array(["a", "b"]), [1, 1], [1, 0])
    array(['b'], dtype='<U1')
    """
    rows = np.asarray(x)
    if len(y) != len(bucket):
        raise InputError(f"bucket has {len(bucket)} labels, but {len(y)} label arrays were given")
    buckets: Mapping[tuple[int, ...], np.ndarray] = get_label_buckets(*y)
    if len(rows) != len(y[0]):
        raise InputError(f"x has {len(rows)} rows, the labels have {len(y[0])}")
    return rows[buckets.get(tuple(bucket), np.empty(0, dtype=np.int64))]
