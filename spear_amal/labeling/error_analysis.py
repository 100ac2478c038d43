"""Rows grouped by their labels: true, predicted, voted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed
from spear_amal.votes.gold import group_labels
from spear_amal.votes.matrix_checks import as_rows
from spear_amal.votes.row_ids import check_same_rows


def get_label_buckets(*y: VectorLike) -> dict[tuple[Any, ...], np.ndarray]:
    """Row numbers by combination of labels.

    Labels are taken as they are: no classes are known here, so all arrays must call a class by one
    name. For votes against gold, :meth:`LFAnalysis.error_buckets` knows the classes.

    Parameters
    ----------
    *y : arrays (n,)
        For example gold labels and predictions.

    Returns
    -------
    dict of tuple of labels to ndarray of int
        Only combinations that occur; a missing label is -1.

    Raises
    ------
    InputError
        If lengths differ, or columns of pandas are of other rows or in another order.

    Examples
    --------
    >>> buckets = get_label_buckets([1, 1, 0], [1, 0, 1])
    >>> buckets[1, 0]
    array([1])
    """
    for place, labels in enumerate(y[1:], 1):
        check_same_rows(labels, y[0], f"label array {place}", "label array 0")
    columns = [group_labels(labels) for labels in y]
    lengths = [len(places) for _, places in columns]
    if len(set(lengths)) != 1:
        raise InputError(f"needed label arrays of one length, found {lengths}")
    places = np.stack([places for _, places in columns], axis=1)
    kinds, inverse = np.unique(places, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse, minlength=len(kinds)))[:-1]
    groups = np.split(order, ends) if len(kinds) else []
    return {
        tuple(labels[place] for (labels, _), place in zip(columns, kind, strict=True)): rows
        for kind, rows in zip(kinds.tolist(), groups, strict=True)
    }


def get_label_instances(bucket: tuple[Any, ...], x: VectorLike, *y: VectorLike) -> np.ndarray:
    """Rows of `x` that have one combination of labels.

    Parameters
    ----------
    bucket : tuple of labels
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
        If lengths differ, or columns of pandas are of other rows or in another order.

    Examples
    --------
    >>> get_label_instances((1, 0), np.array(["a", "b"]), [1, 1], [1, 0])
    array(['b'], dtype='<U1')
    """
    if y:
        check_same_rows(y[0], x, "label array 0", "x")
    rows = as_rows(x, "x")
    key = _as_bucket(bucket)
    if len(y) != len(key):
        raise InputError(f"bucket has {len(key)} labels, but {len(y)} label arrays were given")
    buckets: Mapping[tuple[Any, ...], np.ndarray] = get_label_buckets(*y)
    n_labels = sum(map(len, buckets.values()))
    if len(rows) != n_labels:
        raise InputError(f"x has {len(rows)} rows, the labels have {n_labels}")
    return rows[buckets.get(key, np.empty(0, dtype=np.int64))]


def _as_bucket(bucket: Any) -> tuple[Any, ...]:
    """Return labels as :func:`get_label_buckets` names them: -1 for what is missing."""
    if isinstance(bucket, str | bytes) or not is_listed(bucket):
        raise InputError(f"bucket must be a tuple, a label for each label array, found {bucket!r}")
    read = (group_labels([label], "bucket") for label in bucket)
    return tuple(labels[place] for labels, (place,) in read)
