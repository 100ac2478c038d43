"""What users hand over for a label matrix, as arrays."""

from __future__ import annotations

from collections import Counter
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


def check_fields(matrix: Any, top: int) -> None:
    """Raise unless the fields of a label matrix fit together; `top` is its largest code."""
    n, m = matrix.shape
    for name, found, needed in (
        ("lf_names", len(matrix.lf_names), m),
        ("row_ids", len(matrix.row_ids), n),
        ("lf_classes", len(matrix.lf_classes), m),
        ("continuous", len(matrix.continuous), m),
    ):
        if found != needed:
            raise InputError(f"{name} has {found} entries; the votes have shape {(n, m)}")
    repeated = {name for name, times in Counter(matrix.lf_names).items() if times > 1}
    if repeated:
        raise InputError(f"LF names must be unique; given twice: {sorted(repeated)}")
    if top > len(matrix.classes):
        j = int(matrix.codes.indices[matrix.codes.data.argmax()])
        raise InputError(
            f"LF {matrix.lf_names[j]!r} votes {top - 1}, but there are {len(matrix.classes)} "
            f"classes (0 to {len(matrix.classes) - 1}): {list(matrix.classes)}"
        )
    check_lf_classes(matrix.lf_classes, len(matrix.classes))
    if matrix.scores is not None:
        if matrix.scores.shape != matrix.shape:
            raise InputError(f"scores have shape {matrix.scores.shape}, votes have {matrix.shape}")
        check_scores(matrix.scores, matrix.lf_names)


def check_scores(scores: Any, lf_names: Any) -> None:
    """Raise unless the scores of a sparse matrix (n, m) are finite and lie in [0, 1]."""
    wrong = ~((scores.data >= 0) & (scores.data <= 1))
    if wrong.any():
        entry = int(wrong.argmax())
        row = int(np.searchsorted(scores.indptr, entry, side="right") - 1)
        raise InputError(
            f"scores must lie between 0 and 1; LF {lf_names[scores.indices[entry]]!r} gave "
            f"{scores.data[entry]} on row {row}"
        )


def check_lf_classes(lf_classes: np.ndarray, n_classes: int) -> None:
    """Raise unless declared classes are -1 or a class."""
    if lf_classes.size and not ((lf_classes >= -1) & (lf_classes < n_classes)).all():
        raise InputError(
            f"lf_classes must be -1 or a class from 0 to {n_classes - 1}, found {lf_classes}"
        )


def as_ids(row_ids: Any, n: int) -> np.ndarray:
    """Row ids as an integer or string array: nothing that would need pickle to be saved."""
    if row_ids is None:
        return np.arange(n)
    known = isinstance(row_ids, np.ndarray) or not isinstance(row_ids, Iterable)
    # An index of whole numbers is an array already; one of texts or dates is read one by one.
    known = known or getattr(getattr(row_ids, "dtype", None), "kind", "O") in "iu"
    ids = np.asarray(row_ids if known else list(row_ids))
    if ids.ndim == 1 and (np.issubdtype(ids.dtype, np.integer) or ids.dtype.kind == "U"):
        return ids
    return np.asarray([str(one) for one in row_ids], dtype=np.str_)


def as_index(key: Any, size: int) -> np.ndarray:
    """Positions (k,) that a slice, mask or index array selects of `size`."""
    index = np.arange(size)[key]
    return np.atleast_1d(index)
