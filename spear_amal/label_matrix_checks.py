"""What users hand over for a label matrix, as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from spear_amal.errors import InputError

# Votes are stored as vote + 1 in int16 at most.
MAX_CLASSES = np.iinfo(np.int16).max


def as_votes(votes: Any) -> np.ndarray:
    """Votes as int64 (nnz,), checked to be whole numbers in the range that is stored."""
    array = np.asarray(votes)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iuf" or (array != np.floor(array)).any():
        raise InputError(f"votes must be whole numbers, found {array[:3]!r} ({array.dtype})")
    for wrong in (array.min(), array.max()):
        if not 0 <= wrong < MAX_CLASSES:
            raise InputError(
                f"votes must be -1 (abstain) or a class from 0 to {MAX_CLASSES - 1}; found {wrong}"
            )
    return array.astype(np.int64)


def as_ids(row_ids: Any, n: int) -> np.ndarray:
    """Row ids as an integer or string array: nothing that would need pickle to be saved."""
    if row_ids is None:
        return np.arange(n)
    known = isinstance(row_ids, np.ndarray) or not isinstance(row_ids, Iterable)
    ids = np.asarray(row_ids if known else list(row_ids))
    if ids.ndim == 1 and (np.issubdtype(ids.dtype, np.integer) or ids.dtype.kind == "U"):
        return ids
    return np.asarray([str(one) for one in row_ids], dtype=np.str_)


def as_index(key: Any, size: int) -> np.ndarray:
    """Positions (k,) that a slice, mask or index array selects of `size`."""
    index = np.arange(size)[key]
    return np.atleast_1d(index)
