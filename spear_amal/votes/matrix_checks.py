"""What a label matrix is made of, read and checked: votes, codes, scores, names and ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.votes.class_set import (
    ABSTAIN,
    MAX_CLASSES,
    ClassesLike,
    ClassNames,
    class_names,
    is_listed,
)


def as_dense_votes(votes: MatrixLike) -> np.ndarray:
    """Return votes (n, m) as an array of whole numbers; masked cells abstain.

    Raises
    ------
    InputError
        If they have another shape, rows of differing lengths, or anything but whole numbers.
    """
    try:
        array = _masked_as_abstain(votes) if isinstance(votes, np.ma.MaskedArray) else votes
        array = np.asarray(_of_sparse(array) if sp.issparse(array) else array)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"votes must be a matrix (n, m) with rows of one length, no array can be made: {error}"
        ) from error
    if array.ndim != 2:
        raise InputError(f"votes must have shape (n, m), found {array.shape}")
    return as_whole_numbers(array, "votes")


def _masked_as_abstain(votes: Any) -> np.ndarray:
    # An unsigned type has no -1 to fill in.
    unsigned = votes.dtype.kind == "u"
    return (votes.astype(np.int64) if unsigned else votes).filled(ABSTAIN)


def _of_sparse(votes: Any) -> np.ndarray:
    if votes.nnz < np.prod(votes.shape) and not (votes.data == ABSTAIN).any():
        raise InputError(
            "a sparse matrix of votes without a stored -1 leaves open what its empty cells mean: "
            "class 0 or abstain. Where 0 is abstain and classes count from 1, as in MeTaL and old "
            "Snorkel, use spear_amal.data.metal_label_matrix; else pass an array, -1 for abstain"
        )
    return votes.toarray()


def as_whole_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of integers as it is, and whole numbers of other types as int64.

    Raises
    ------
    InputError
        If a value is no whole number, or seems to be a -1 that lost its sign.
    """
    kind = array.dtype.kind
    if kind == "i" or (array.size == 0 and kind != "u"):
        return array if kind == "i" else array.astype(np.int64)
    if kind == "u" and array.size and array.max() == np.iinfo(array.dtype).max:
        raise InputError(
            f"{name} hold {array.max()}, which is what -1 becomes in {array.dtype}; keep them in a "
            "signed type such as int8"
        )
    if kind == "O":
        return _of_objects(array, name)
    if kind not in "uf" or (array != np.floor(array)).any():
        hint = "; NaN is no vote, write abstain as -1" if kind in "fc" and _has_nan(array) else ""
        raise InputError(
            f"{name} must be whole numbers, found {array.ravel()[:3]!r} ({array.dtype}){hint}"
        )
    if kind == "u":
        return array.astype(np.int64)
    # Beyond int64 a cast would wrap round; no class is as large.
    return np.clip(array, -(2.0**62), 2.0**62).astype(np.int64)


def _has_nan(array: np.ndarray) -> bool:
    return bool(np.isnan(array).any())


def _of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Integers of an array of Python objects, such as that of a table of several types."""
    for value in array.ravel().tolist():
        if isinstance(value, int) and not isinstance(value, bool):
            continue
        if isinstance(value, str):
            hint = "class names are read by spear_amal.data.named_label_matrix"
        else:
            hint = "write abstain as -1"
        raise InputError(
            f"{name} must be whole numbers, found {value!r} ({type(value).__name__}); {hint}"
        )
    try:
        return array.astype(np.int64)
    except OverflowError as error:
        raise InputError(f"{name} must be whole numbers of 64 bits: {error}") from error


def as_vector(values: Any, name: str) -> np.ndarray:
    """Return values (k,) as an array; InputError if they have another shape or none."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be a list of single values: {error}") from error
    if array.ndim != 1:
        raise InputError(f"{name} must be a list of single values, found shape {array.shape}")
    return array


def as_rows(values: Any, name: str) -> np.ndarray:
    """Return values of n rows as an array (n, ...); InputError if no array can be made of them."""
    try:
        array = np.asarray(None if sp.issparse(values) else values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be an array of rows of one shape: {error}") from error
    if array.ndim == 0:
        raise InputError(f"{name} must be an array of n rows, found {type(values).__name__}")
    return array


def as_floats(values: Any, name: str) -> np.ndarray:
    """Return numbers as an array of floats (n, ...); InputError if one is none."""
    array = as_rows(values, name)
    if array.dtype.kind in "cmMV":
        raise InputError(f"{name} must be numbers, found {array.dtype}")
    try:
        return array.astype(float, copy=False)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error


def as_votes(votes: VectorLike) -> np.ndarray:
    """Return votes (nnz,) as int64, checked to be in the range that is stored."""
    array = as_whole_numbers(as_vector(votes, "votes"), "votes")
    if array.size and not 0 <= array.min() <= array.max() < MAX_CLASSES:
        wrong = array[(array < 0) | (array >= MAX_CLASSES)][0]
        raise InputError(
            f"votes must be -1 (abstain) or a class from 0 to {MAX_CLASSES - 1}; found {wrong}"
        )
    return array.astype(np.int64)


def as_shape(shape: Any) -> tuple[int, int]:
    """Return the shape of votes; InputError unless it is two whole numbers from 0 on."""
    sizes = tuple(shape) if is_listed(shape) else ()
    if len(sizes) != 2 or not all(
        isinstance(size, int | np.integer) and size >= 0 for size in sizes
    ):
        raise InputError(f"shape must be (rows, LFs), two whole numbers, found {shape!r}")
    return int(sizes[0]), int(sizes[1])


def as_positions(positions: VectorLike, size: int, count: int, name: str) -> np.ndarray:
    """Return row or LF numbers as int64 (count,), checked to lie in 0 to `size` - 1.

    Raises
    ------
    InputError
        If there are more or fewer, or one is no whole number or out of range.
    """
    array = as_whole_numbers(as_vector(positions, name), name)
    if array.shape != (count,):
        raise InputError(f"{name} have shape {array.shape}, needed one for each of {count} votes")
    if count and not 0 <= array.min() <= array.max() < size:
        wrong = array[(array < 0) | (array >= size)][0]
        raise InputError(f"{name} must lie in 0 to {size - 1}, found {wrong}")
    return array.astype(np.int64, copy=False)


def as_codes(codes: Any) -> sp.csr_array:
    """Return codes (n, m) as they are stored: sorted, int8 or int16, each cell once.

    Raises
    ------
    InputError
        If they are no CSR matrix of whole numbers from 1 on, or a cell is there twice.
    """
    if not sp.issparse(codes) or codes.format != "csr" or codes.ndim != 2:
        raise InputError(
            f"codes must be a CSR matrix (n, m) of vote + 1, found {type(codes).__name__}; "
            "LabelMatrix.from_dense takes an array of votes, from_triplets their places"
        )
    if codes.dtype.kind != "i":
        raise InputError(
            f"codes must be signed whole numbers (vote + 1), found {codes.dtype}; use "
            "codes.astype('int16') if they are whole"
        )
    low, top = (int(codes.data.min()), int(codes.data.max())) if codes.nnz else (1, 1)
    if low < 1 or top > MAX_CLASSES:
        raise InputError(
            f"codes are vote + 1, from 1 to {MAX_CLASSES}, and cells that abstain are not stored; "
            f"found {low if low < 1 else top} (drop stored zeros with codes.eliminate_zeros())"
        )
    if not codes.has_sorted_indices:
        codes = codes.sorted_indices()
    if not codes.has_canonical_format:
        raise InputError(f"{_twice(codes)}; give each (row, LF) pair once")
    codes = codes if isinstance(codes, sp.csr_array) else sp.csr_array(codes)
    narrow = np.int8 if top <= np.iinfo(np.int8).max else np.int16
    return codes if codes.dtype.itemsize <= 2 else codes.astype(narrow)


def _twice(codes: Any) -> str:
    rows = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
    again = (np.diff(rows) == 0) & (np.diff(codes.indices) == 0)
    entry = int(again.argmax())
    return f"an LF votes twice on one row: LF {codes.indices[entry]} on row {rows[entry]}"


def as_lf_names(names: Iterable[Any]) -> tuple[str, ...]:
    """Return names of LFs; InputError unless they are different texts in an order."""
    if isinstance(names, bytes | set | frozenset) or not is_listed(names):
        raise InputError(f"lf_names must be a list of texts, found {names!r}")
    texts = tuple(names)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"lf_names must be texts, found {wrong[0]!r} ({type(wrong[0]).__name__})")
    repeated = sorted(text for text, times in Counter(texts).items() if times > 1)
    if repeated:
        raise InputError(f"LF names must be unique; given twice: {repeated}")
    return texts


def as_class_names(classes: ClassesLike) -> ClassNames:
    """Return class names in the order of their codes, as :func:`class_names` reads them.

    Raises
    ------
    InputError
        If they have no order, one is missing or given twice, or one is neither a text nor a whole
        number.
    """
    names = class_names(classes)
    if names is None:
        raise InputError("classes must be a list of names in the order of their codes, found None")
    wrong = [n for n in names if not isinstance(n, str | int) or isinstance(n, bool) or n == ""]
    if wrong:
        raise InputError(
            f"class names must be texts or whole numbers, found {wrong[0]!r} "
            f"({type(wrong[0]).__name__}) in {list(names)}"
        )
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InputError(f"class names must be different; given twice: {repeated}")
    return names


def as_lf_classes(lf_classes: VectorLike | None, m: int) -> np.ndarray:
    """Return the declared class of each LF as int64, -1 where none is declared."""
    if lf_classes is None:
        return np.full(m, ABSTAIN)
    return as_whole_numbers(as_vector(lf_classes, "lf_classes"), "lf_classes").astype(np.int64)


def as_flags(flags: VectorLike | None, m: int, name: str) -> np.ndarray:
    """Return True or False for each LF; InputError if a value is another than these, 0 and 1."""
    if flags is None:
        return np.zeros(m, dtype=bool)
    array = as_vector(flags, name)
    if array.dtype == bool:
        return array.copy()
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must be True or False for each LF, found {flags!r}")
    return array.astype(bool)


def as_dense_scores(scores: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return scores (n, m) as floats; InputError if they are no numbers or have another shape."""
    try:
        array = np.asarray(scores.toarray() if sp.issparse(scores) else scores, dtype=float)
    except (ValueError, TypeError) as error:
        raise InputError(f"scores must be numbers of shape {shape}: {error}") from error
    if array.shape != shape:
        raise InputError(f"scores have shape {array.shape}, votes have {shape}")
    return array


def as_scores(scores: VectorLike, count: int) -> np.ndarray:
    """Return scores as float32 (count,); InputError if they are no numbers or of another number."""
    try:
        array = np.asarray(scores, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"scores must be numbers, one for each vote: {error}") from error
    if array.shape != (count,):
        raise InputError(f"scores have shape {array.shape}, needed one for each of {count} votes")
    return array


def as_score_matrix(scores: Any, codes: sp.csr_array) -> sp.csr_array | None:
    """Return scores (n, m) sorted as the codes are.

    Raises
    ------
    InputError
        If they are no CSR matrix of floats, or not stored for each vote and nowhere else.
    """
    if scores is None:
        return None
    if not sp.issparse(scores) or scores.format != "csr" or scores.dtype.kind != "f":
        raise InputError(
            "scores must be a CSR matrix (n, m) of floats, found "
            f"{type(scores).__name__}; LabelMatrix.from_dense takes an array of scores"
        )
    if scores.shape != codes.shape:
        raise InputError(f"scores have shape {scores.shape}, votes have {codes.shape}")
    scores = scores if scores.has_sorted_indices else scores.sorted_indices()
    same = scores.nnz == codes.nnz and np.array_equal(scores.indptr, codes.indptr)
    if not same or not np.array_equal(scores.indices, codes.indices):
        raise InputError("scores must be stored for each vote and nowhere else")
    return sp.csr_array(scores)


def check_fields(matrix: Any) -> None:
    """Raise unless the fields of a label matrix fit together."""
    n, m = matrix.shape
    for name, size, needed in (
        ("lf_names", len(matrix.lf_names), m),
        ("row_ids", len(matrix.row_ids), n),
        ("lf_classes", len(matrix.lf_classes), m),
        ("continuous", len(matrix.continuous), m),
    ):
        if size != needed:
            raise InputError(f"{name} has {size} entries; the votes have shape {(n, m)}")
    check_votes_are_classes(matrix)
    check_lf_classes(matrix.lf_classes, len(matrix.classes))
    if matrix.scores is not None:
        check_scores(matrix.scores, matrix.lf_names)


def check_votes_are_classes(matrix: Any) -> None:
    """Raise if the largest vote of a label matrix is no class."""
    codes, n_classes = matrix.codes, len(matrix.classes)
    top = int(codes.data.max(initial=0))
    if top <= n_classes:
        return
    j = int(codes.indices[codes.data.argmax()])
    hint = ""
    if codes.nnz == codes.shape[0] * codes.shape[1] and top == n_classes + 1:
        hint = (
            "; no LF abstains anywhere: if 0 is abstain and classes count from 1, as in MeTaL, "
            "use spear_amal.data.metal_label_matrix"
        )
    raise InputError(
        f"LF {matrix.lf_names[j]!r} votes {top - 1}, but there are {n_classes} classes (0 to "
        f"{n_classes - 1}): {list(matrix.classes)}{hint}"
    )


def check_same_columns(first: Any, other: Any, name: str) -> None:
    """Raise unless two label matrices are of the same LFs and classes; `name` tells the other."""
    for what in ("lf_names", "classes", "lf_classes"):
        needed, present = list(getattr(first, what)), list(getattr(other, what))
        if needed != present:
            raise InputError(
                f"label matrices must agree in {what} to be concatenated: part 0 has {needed}, "
                f"{name} has {present}"
            )


def check_scores(scores: sp.csr_array, lf_names: Sequence[str]) -> None:
    """Raise unless the scores of a sparse matrix (n, m) lie in [0, 1]."""
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
