"""Arrays of labels as whole numbers, and without the rows that are left out of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.labeling.conversions import preds_to_probs, probs_to_preds
from spear_amal.votes.matrix_checks import as_rows

__all__ = ["filter_labels", "preds_to_probs", "probs_to_preds", "to_int_label_array"]


def to_int_label_array(X: VectorLike, flatten_vector: bool = True) -> np.ndarray:
    """Return labels as whole numbers, an array (n, 1) as (n,).

    Parameters
    ----------
    X : array of numbers
    flatten_vector : bool
        Whether the result must have one dimension.

    Raises
    ------
    InputError
        If a label is no whole number, or there is more than one a row.

    Examples
    --------
    >>> to_int_label_array(np.array([[1.0], [0.0]]))
    array([1, 0])
    """
    labels = np.asarray(X) if np.isscalar(X) else as_rows(X, "labels")
    if labels.dtype.kind not in "iufb":
        raise InputError(f"labels must be whole numbers, found an array of {labels.dtype}")
    whole = labels.astype(float) % 1 == 0
    if not whole.all():
        raise InputError(f"labels must be whole numbers, found {labels[~whole].tolist()[0]!r}")
    labels = labels.astype(int)
    if not flatten_vector:
        return labels
    flat = np.atleast_1d(labels.squeeze())
    if flat.ndim != 1:
        raise InputError(f"labels must be one a row, found an array of shape {labels.shape}")
    return flat


def filter_labels(
    label_dict: Mapping[str, Any], filter_dict: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Return arrays of labels without the rows in which one of them has a value to leave out.

    Parameters
    ----------
    label_dict : mapping of str to array (n, ..) or None
    filter_dict : mapping of str to sequence of int
        By name of an array the values that take a row out of all of them.

    Raises
    ------
    InputError
        If the arrays have different numbers of rows, or nothing is to be filtered.

    Examples
    --------
    >>> kept = filter_labels({"golds": [-1, 0, 1], "preds": [1, 0, 2]}, {"golds": [-1]})
    >>> kept["golds"], kept["preds"]
    (array([0, 1]), array([0, 2]))
    """
    arrays = {n: None if a is None else as_rows(a, n) for n, a in label_dict.items()}
    lengths = {len(array) for array in arrays.values() if array is not None}
    names = [name for name in filter_dict if arrays.get(name) is not None]
    if len(lengths) > 1:
        raise InputError(f"label_dict must hold arrays of one length, found {sorted(lengths)}")
    if not names:
        raise InputError(f"filter_dict names none of the arrays {list(label_dict)}")
    kept = np.ones(lengths.pop(), dtype=bool)
    for name in names:
        left_out = np.isin(np.asarray(arrays[name]), list(filter_dict[name]))
        kept &= ~left_out.any(axis=tuple(range(1, left_out.ndim)))
    return {name: None if array is None else array[kept] for name, array in arrays.items()}
