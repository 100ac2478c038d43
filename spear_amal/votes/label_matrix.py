"""The label matrix: sparse votes of m labelling functions on n rows, -1 for abstain."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.class_set import ABSTAIN, MAX_CLASSES, ClassesLike, ClassNames, class_names
from spear_amal.votes.npz import read_label_matrix, write_label_matrix


class MatrixFields(TypedDict, total=False):
    """What :class:`LabelMatrix` knows beside the votes; attributes of the same names."""

    lf_names: Sequence[str] | None
    classes: ClassesLike
    row_ids: Iterable[Any] | None
    lf_classes: VectorLike | None


class LabelMatrix:
    """Votes (n, m) in {-1, 0, .., C-1}; -1 is abstain. Sparse inside, an array outside.

    Internally a CSR matrix of *codes* = vote + 1, so that the implicit zero means abstain and a
    vote for class 0 is stored. Use :meth:`from_dense` or :meth:`from_triplets` to make one.

    Attributes
    ----------
    codes : scipy.sparse.csr_array of shape (n, m), int8 or int16
        vote + 1.
    scores : scipy.sparse.csr_array of shape (n, m), float32, or None
        Score in [0, 1] of continuous LFs where they fired.
    lf_names : tuple of str, length m
    classes : ClassNames, a tuple of length C
        Class names in the order of their codes; ``(0, .., C-1)`` if none were given. Given as
        for the appliers: a list, a mapping of names and ids, or an Enum, whose ids are kept.
    row_ids : ndarray of shape (n,)
        Ids that survive shuffling; integers or strings.
    lf_classes : ndarray of int, shape (m,)
        The class that LF j was declared to vote for; -1 if none was declared.
    continuous : ndarray of bool, shape (m,)
        True for LFs that give scores.

    Examples
    --------
    >>> L = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, -1]], lf_names=["a", "b"])
    >>> L.shape, L.n_classes, L.nnz
    ((3, 2), 2, 3)
    >>> import numpy as np
    >>> np.asarray(L[1:])
    array([[ 1,  1],
           [-1, -1]], dtype=int8)
    """

    ndim = 2

    def __init__(
        self,
        codes: sp.csr_array,
        *,
        lf_names: Sequence[str] | None = None,
        classes: ClassesLike = None,
        row_ids: Iterable[Any] | None = None,
        lf_classes: VectorLike | None = None,
        scores: sp.csr_array | None = None,
        continuous: VectorLike | None = None,
    ) -> None:
        n, m = codes.shape
        self.codes = codes
        self.lf_names = (
            tuple(lf_names) if lf_names is not None else tuple(f"lf{j}" for j in range(m))
        )
        top = int(codes.data.max()) if codes.nnz else 0
        self.classes = class_names(classes) or ClassNames(range(max(top, 2)))
        self.row_ids = as_row_ids(row_ids, n)
        self.lf_classes = (
            np.full(m, ABSTAIN) if lf_classes is None else np.asarray(lf_classes, dtype=np.int64)
        )
        self.scores = scores
        self.continuous = (
            np.zeros(m, dtype=bool) if continuous is None else np.asarray(continuous, dtype=bool)
        )
        check_fields(self, top)

    @classmethod
    def from_dense(
        cls,
        votes: MatrixLike,
        *,
        scores: MatrixLike | None = None,
        continuous: VectorLike | None = None,
        **fields: Unpack[MatrixFields],
    ) -> LabelMatrix:
        """Make one from an array (n, m) of votes, -1 for abstain, and optional scores (n, m)."""
        votes = np.asarray(votes.toarray() if hasattr(votes, "toarray") else votes)
        if votes.ndim != 2:
            raise InputError(f"votes must have shape (n, m), found {votes.shape}")
        if votes.size and not np.issubdtype(votes.dtype, np.integer):
            if not np.issubdtype(votes.dtype, np.number) or (votes != np.floor(votes)).any():
                raise InputError(f"votes must be whole numbers, found dtype {votes.dtype}")
        rows, columns = np.nonzero(votes != ABSTAIN)
        values = None if scores is None else np.asarray(scores, dtype=float)[rows, columns]
        return cls.from_triplets(
            *(rows, columns, votes[rows, columns], votes.shape),
            scores=values,
            continuous=continuous,
            **fields,
        )

    @classmethod
    def from_triplets(
        cls,
        rows: VectorLike,
        columns: VectorLike,
        votes: VectorLike,
        shape: tuple[int, int],
        *,
        scores: VectorLike | None = None,
        continuous: VectorLike | None = None,
        **fields: Unpack[MatrixFields],
    ) -> LabelMatrix:
        """Make one from row numbers, LF numbers and votes, each (nnz,), and optional scores (nnz,).

        Raises
        ------
        InputError
            If a vote is below 0 or not a class, or an LF votes twice on a row.
        """
        votes = as_votes(votes)
        dtype = np.int8 if votes.size == 0 or votes.max() < 127 else np.int16
        order = (np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64))
        codes = sp.csr_array(((votes + 1).astype(dtype), order), shape=shape)
        codes.sum_duplicates()  # sorts as well
        if codes.nnz != len(votes):
            raise InputError("an LF votes twice on one row; give each (row, LF) pair once")
        sparse_scores = None
        if scores is not None and (continuous is None or np.any(continuous)):
            # Stored zeros stay stored: a score of 0.0 of a fired LF is a score.
            sparse_scores = sp.csr_array((np.asarray(scores, dtype=np.float32), order), shape=shape)
            sparse_scores.sort_indices()
            if continuous is None:
                continuous = np.ones(shape[1], dtype=bool)
        return cls(codes, scores=sparse_scores, continuous=continuous, **fields)

    @classmethod
    def concatenate(cls, parts: Iterable[LabelMatrix]) -> LabelMatrix:
        """Stack the rows of several label matrices of the same LFs and classes.

        Row ids stay as they are; where some parts have texts for ids, all become texts. An LF is
        continuous if it is in any part; its votes in a part without scores have the score 0.

        Raises
        ------
        InputError
            If there is no part, or LF names, class names or declared classes differ.

        Examples
        --------
        >>> L = LabelMatrix.from_dense([[0, -1], [1, 1]], row_ids=["a", "b"])
        >>> whole = LabelMatrix.concatenate([L, L[1:]])
        >>> whole.to_dense().tolist(), whole.row_ids.tolist()
        ([[0, -1], [1, 1], [1, 1]], ['a', 'b', 'b'])
        """
        parts = list(parts)
        if not parts:
            raise InputError("no label matrix was given; at least one is needed to concatenate")
        first = parts[0]
        for i, part in enumerate(parts):
            check_same_columns(first, part, f"part {i}")
        scores = None
        if any(part.scores is not None for part in parts):
            scores = _stacked([scores_or_zeros(part) for part in parts])
        return cls(
            _stacked([part.codes for part in parts]),
            lf_names=first.lf_names,
            classes=first.classes,
            row_ids=np.concatenate([p.row_ids for p in parts if len(p)] or [first.row_ids]),
            lf_classes=first.lf_classes,
            scores=scores,
            continuous=np.any([part.continuous for part in parts], axis=0),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and LFs."""
        return (int(self.codes.shape[0]), int(self.codes.shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the votes: int8 or int16."""
        return self.codes.dtype

    @property
    def nnz(self) -> int:
        """Number of votes that are not abstain."""
        return int(self.codes.nnz)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        dense = self.to_dense()
        return dense if dtype is None else dense.astype(dtype)

    def __eq__(self, other: object) -> Any:
        return self.to_dense() == (other.to_dense() if isinstance(other, LabelMatrix) else other)

    def __ne__(self, other: object) -> Any:
        return ~np.asarray(self == other)

    __hash__ = None  # type: ignore[assignment]  # equality is elementwise, as for arrays

    def __repr__(self) -> str:
        n, m = self.shape
        covered = float(np.mean(np.diff(self.codes.indptr) > 0)) if n else 0.0
        return f"LabelMatrix(n={n}, m={m}, classes={list(self.classes)}, coverage={covered:.3f})"

    @overload
    def __getitem__(self, key: int | np.integer) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: Any) -> LabelMatrix | Any: ...
    def __getitem__(self, key: Any) -> Any:
        """Rows and LFs as in NumPy: slices and index arrays keep a LabelMatrix, ints do not.

        Two index arrays select a block, as :func:`numpy.ix_` does; a boolean array (n, m) selects
        single votes.
        """
        if getattr(key, "ndim", 1) == 2:
            return self.to_dense()[key]
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if columns is Ellipsis:
            columns = slice(None)
        if isinstance(rows, int | np.integer):
            return (self.codes[[rows]].toarray()[0] - self.dtype.type(1))[columns]
        if isinstance(columns, int | np.integer):
            return self.codes[:, [columns]].toarray()[rows, 0] - self.dtype.type(1)
        return self._take(as_index(rows, len(self)), as_index(columns, self.shape[1]))

    def _take(self, rows: np.ndarray, columns: np.ndarray) -> LabelMatrix:
        whole = len(columns) == self.shape[1] and bool((columns == np.arange(len(columns))).all())

        def take(matrix: sp.csr_array) -> sp.csr_array:
            taken = matrix[rows] if whole else matrix[rows][:, columns]
            return taken.tocsr()

        return LabelMatrix(
            take(self.codes),
            lf_names=[self.lf_names[j] for j in columns],
            classes=self.classes,
            row_ids=self.row_ids[rows],
            lf_classes=self.lf_classes[columns],
            scores=None if self.scores is None else take(self.scores),
            continuous=self.continuous[columns],
        )

    def to_dense(self) -> np.ndarray:
        """Votes as an array (n, m), -1 for abstain."""
        return self.codes.toarray() - self.dtype.type(1)

    def dense_scores(self) -> np.ndarray:
        """Scores as an array (n, m) float32; 0 where an LF did not fire or gives none."""
        if self.scores is None:
            return np.zeros(self.shape, dtype=np.float32)
        return np.asarray(self.scores.todense(), dtype=np.float32)

    def with_classes(self, classes: ClassesLike) -> LabelMatrix:
        """Return the same votes with other class names, in the order of the codes."""
        renamed = copy.copy(self)
        renamed.classes = class_names(classes) or self.classes
        check_fields(renamed, int(self.codes.data.max(initial=0)))
        return renamed

    def with_coded_classes(self) -> LabelMatrix:
        """Return votes in which the numbers of classes are their codes, whatever their names.

        For code that holds gold as codes beside votes.
        """
        codes = range(self.n_classes)
        same = self.classes.numbers == tuple(codes)
        return self if same else self.with_classes(ClassNames(tuple(self.classes), codes))

    def covered(self) -> np.ndarray:
        """Rows (n,) on which at least one LF fired."""
        return np.diff(self.codes.indptr) > 0

    def unipolar_plan(self) -> list[tuple[int, int]]:
        """Columns (LF, class) of the unipolar form: one for each class that an LF votes for.

        CAGE, SPEAR and ImplyLoss give each column one class k_j. An LF that votes several classes
        becomes several columns; an LF that never fires and declares no class is left out.
        """
        return unipolar_plan(self.codes, self.lf_classes)

    def to_unipolar(self, plan: Sequence[tuple[int, int]] | None = None) -> LabelMatrix:
        """Split LFs into columns of one class each, by `plan` (default: this matrix' own).

        Pass the training matrix' plan for validation and test rows: a vote for a class that the
        plan does not hold for that LF is dropped, since the rule model has no parameter for it.
        """
        plan = self.unipolar_plan() if plan is None else list(plan)
        rows, lfs, columns, votes = split_votes(self.codes, plan, self.n_classes)
        return LabelMatrix.from_triplets(
            rows,
            columns,
            votes,
            (len(self), len(plan)),
            scores=None if self.scores is None else self.dense_scores()[rows, lfs],
            continuous=self.continuous[[j for j, _ in plan]],
            lf_names=split_names(self.lf_names, self.classes, plan),
            classes=self.classes,
            row_ids=self.row_ids,
            lf_classes=[k for _, k in plan],
        )

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write a ``.npz`` file without pickled objects; written aside, then renamed."""
        write_label_matrix(self, path, overwrite)

    @classmethod
    def load(cls, path: PathLike) -> LabelMatrix:
        """Read what :meth:`save` wrote; runs no code from the file.

        Raises
        ------
        FileFormatError
            If the file is truncated, damaged or not a label matrix.
        """
        fields = read_label_matrix(path)
        try:
            return cls(fields.pop("codes"), **fields)
        except (InputError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path} is not a label matrix file or is damaged ({error})"
            ) from error


def as_votes(votes: VectorLike) -> np.ndarray:
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
    for name, size, needed in (
        ("lf_names", len(matrix.lf_names), m),
        ("row_ids", len(matrix.row_ids), n),
        ("lf_classes", len(matrix.lf_classes), m),
        ("continuous", len(matrix.continuous), m),
    ):
        if size != needed:
            raise InputError(f"{name} has {size} entries; the votes have shape {(n, m)}")
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


def check_same_columns(first: LabelMatrix, other: LabelMatrix, name: str) -> None:
    """Raise unless two label matrices are of the same LFs and classes; `name` tells the other."""
    for what in ("lf_names", "classes", "lf_classes"):
        needed, present = list(getattr(first, what)), list(getattr(other, what))
        if needed != present:
            raise InputError(
                f"label matrices must agree in {what} to be concatenated: part 0 has {needed}, "
                f"{name} has {present}"
            )


def scores_or_zeros(matrix: LabelMatrix) -> sp.csr_array:
    """Scores (n, m) of a label matrix, one for each vote; zeros if it has none."""
    if matrix.scores is not None:
        return matrix.scores
    codes = matrix.codes
    zeros = np.zeros(codes.nnz, dtype=np.float32)
    return sp.csr_array((zeros, codes.indices, codes.indptr), shape=codes.shape)


def _stacked(matrices: list[sp.csr_array]) -> sp.csr_array:
    return sp.csr_array(sp.vstack(matrices, format="csr"))


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


def as_row_ids(row_ids: Iterable[Any] | None, n: int) -> np.ndarray:
    """Row ids as an integer or string array: nothing that would need pickle to be saved."""
    if row_ids is None:
        return np.arange(n)
    known = isinstance(row_ids, np.ndarray) or not isinstance(row_ids, Iterable)
    # An index of whole numbers is an array already; one of texts or dates is read one by one.
    known = known or getattr(getattr(row_ids, "dtype", None), "kind", "O") in "iu"
    ids = np.asarray(row_ids if known else list(row_ids))
    if ids.ndim == 1 and (np.issubdtype(ids.dtype, np.integer) or ids.dtype.kind == "U"):
        return ids
    return np.asarray([str(row_id) for row_id in row_ids], dtype=np.str_)


def as_index(key: Any, size: int) -> np.ndarray:
    """Positions (k,) that a slice, mask or index array selects of `size`."""
    index = np.arange(size)[key]
    return np.atleast_1d(index)


UnipolarPlan = Sequence[tuple[int, int]]


def unipolar_plan(codes: sp.csr_array, lf_classes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (LF, class): one for each class that an LF votes for or declares.

    Parameters
    ----------
    codes : csr_array of shape (n, m)
        vote + 1.
    lf_classes : ndarray of shape (m,)
        Declared classes, -1 for none.
    """
    n_classes = max(int(codes.data.max(initial=0)), int(lf_classes.max(initial=-1)) + 1)
    seen = np.zeros((codes.shape[1], n_classes), dtype=bool)
    seen[codes.indices, codes.data - 1] = True
    declared = np.flatnonzero(lf_classes >= 0)
    seen[declared, lf_classes[declared]] = True
    return [(int(j), int(k)) for j, k in np.argwhere(seen)]


def split_votes(codes: sp.csr_array, plan: UnipolarPlan, n_classes: int) -> tuple[np.ndarray, ...]:
    """Votes that the plan holds.

    Returns
    -------
    rows, lfs, columns, votes : ndarrays of one length
        Row, LF of the matrix, column of the plan and class of each vote.
    """
    position = np.full((codes.shape[1], n_classes), -1)
    for column, (j, k) in enumerate(plan):
        position[j, k] = column
    coo = codes.tocoo()
    votes = coo.data.astype(int) - 1
    columns = position[coo.col, votes]
    kept = columns >= 0
    return coo.row[kept], coo.col[kept], columns[kept], votes[kept]


def split_names(names: Sequence[str], classes: Sequence[Any], plan: UnipolarPlan) -> list[str]:
    """Names of the columns: that of the LF, with the class if the LF has several columns."""
    columns = Counter(j for j, _ in plan)
    return [f"{names[j]}={classes[k]}" if columns[j] > 1 else names[j] for j, k in plan]


def as_label_matrix(L: VotesLike, classes: Sequence[Any] | None = None) -> LabelMatrix:
    """Return votes as a label matrix, as they are if they are one.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)
    classes : sequence, optional
        Classes of a fitted model. New rows may show fewer of them; other names or more classes
        are an error.
    """
    matrix = L if isinstance(L, LabelMatrix) else LabelMatrix.from_dense(L)
    if classes is None or list(matrix.classes) == list(classes):
        return matrix
    named = all(isinstance(name, str) for name in (*matrix.classes, *classes))
    top = int(matrix.codes.data.max(initial=0))
    if named or top > len(classes):
        raise InputError(
            f"L votes for classes {list(matrix.classes)}, the model knows {list(classes)}"
        )
    return matrix.with_classes(classes)
