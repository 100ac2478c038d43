"""The label matrix: sparse votes of m labelling functions on n rows, -1 for abstain."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.guard import guarded_reading
from spear_amal.votes.array_face import ArrayFace
from spear_amal.votes.class_set import ABSTAIN, MAX_CLASSES, ClassesLike, ClassNames, is_listed
from spear_amal.votes.html_view import matrix_html
from spear_amal.votes.matrix_checks import (
    as_class_names,
    as_codes,
    as_dense_scores,
    as_dense_votes,
    as_flags,
    as_lf_classes,
    as_lf_names,
    as_positions,
    as_score_matrix,
    as_scores,
    as_shape,
    as_votes,
    check_fields,
    check_same_columns,
)
from spear_amal.votes.npz import ADVICE, KIND, read_label_matrix, write_label_matrix
from spear_amal.votes.other_codes import warn_of_other_codes
from spear_amal.votes.row_ids import as_row_ids, exact_places
from spear_amal.votes.unipolar import moved_columns, split_names, split_votes, unipolar_plan
from spear_amal.votes.voted_rows import VotedRows

__all__ = ["ABSTAIN", "LabelMatrix", "as_label_matrix"]


class MatrixFields(TypedDict, total=False):
    """What :class:`LabelMatrix` knows beside the votes; attributes of the same names."""

    lf_names: Sequence[str] | None
    classes: ClassesLike
    row_ids: Iterable[Any] | None
    lf_classes: VectorLike | None


class LabelMatrix(ArrayFace):
    """Votes (n, m) in {-1, 0, .., C-1}; -1 is abstain. Sparse inside, an array outside.

    Operators, sums, comparisons and NumPy's functions answer as those of the array of votes would,
    with plain arrays; rows and LFs that are picked by slices or index arrays stay a label matrix.

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
    has_row_ids : bool
        False if rows are merely numbered, since no ids were given: they go by position.
    lf_classes : ndarray of int, shape (m,)
        The class that LF j was declared to vote for; -1 if none was declared.
    continuous : ndarray of bool, shape (m,)
        True for LFs that give scores.
    voted_rows : VotedRows or None
        Digests of the rows that were voted on, where the file that the votes were read from has
        them: a table that votes are given with is held against them.

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

    has_row_ids = True  # of a matrix that an older version pickled
    voted_rows: VotedRows | None = None

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
        self.codes = as_codes(codes)
        n, m = self.codes.shape
        self.lf_names = as_lf_names([f"lf{j}" for j in range(m)] if lf_names is None else lf_names)
        self.lf_classes = as_lf_classes(lf_classes, m)
        if classes is None:  # a class that was declared is there, whether its LF fires or not
            declared = min(int(self.lf_classes.max(initial=ABSTAIN)) + 1, MAX_CLASSES)
            classes = range(max(int(self.codes.data.max(initial=0)), declared, 2))
        self.classes = as_class_names(classes)
        self.row_ids = np.arange(n) if row_ids is None else as_row_ids(row_ids)
        self.has_row_ids = row_ids is not None
        self.scores = as_score_matrix(scores, self.codes)
        self.continuous = as_flags(continuous, m, "continuous")
        check_fields(self)

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
        dense = as_dense_votes(votes)
        rows, columns = np.nonzero(dense != ABSTAIN)
        warn_of_other_codes(dense, len(rows))
        values = None if scores is None else as_dense_scores(scores, dense.shape)[rows, columns]
        return cls.from_triplets(
            *(rows, columns, dense[rows, columns], dense.shape),
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
        votes, shape = as_votes(votes), as_shape(shape)
        dtype = np.int8 if votes.size == 0 or votes.max() < 127 else np.int16
        order = (
            as_positions(rows, shape[0], len(votes), "rows"),
            as_positions(columns, shape[1], len(votes), "columns"),
        )
        codes = sp.csr_array(((votes + 1).astype(dtype), order), shape=shape)
        codes.sum_duplicates()  # sorts as well
        if codes.nnz != len(votes):
            raise InputError("an LF votes twice on one row; give each (row, LF) pair once")
        sparse_scores = None
        if scores is not None and (
            continuous is None or as_flags(continuous, shape[1], "continuous").any()
        ):
            # Stored zeros stay stored: a score of 0.0 of a fired LF is a score.
            sparse_scores = sp.csr_array((as_scores(scores, len(votes)), order), shape=shape)
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
        parts = list(parts) if is_listed(parts) else []
        if not parts or not all(isinstance(part, LabelMatrix) for part in parts):
            raise InputError(
                "a list of label matrices is needed to concatenate, at least one; found "
                f"{[type(part).__name__ for part in parts[:3]]}"
            )
        first = parts[0]
        for i, part in enumerate(parts):
            check_same_columns(first, part, f"part {i}")
        scores = None
        if any(part.scores is not None for part in parts):
            scores = _stacked([scores_or_zeros(part) for part in parts])
        whole = cls(
            _stacked([part.codes for part in parts]),
            lf_names=first.lf_names,
            classes=first.classes,
            row_ids=np.concatenate([p.row_ids for p in parts if len(p)] or [first.row_ids]),
            lf_classes=first.lf_classes,
            scores=scores,
            continuous=np.any([part.continuous for part in parts], axis=0),
        )
        whole.has_row_ids = all(part.has_row_ids for part in parts)
        return whole

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
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

    def __repr__(self) -> str:
        n, m = self.shape
        covered = float(np.mean(np.diff(self.codes.indptr) > 0)) if n else 0.0
        return f"LabelMatrix(n={n}, m={m}, classes={list(self.classes)}, coverage={covered:.3f})"

    def _repr_html_(self) -> str:
        return matrix_html(self)

    @overload
    def __getitem__(self, key: int | np.integer) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: Any) -> LabelMatrix | Any: ...
    def __getitem__(self, key: Any) -> Any:
        """Rows and LFs as in NumPy: slices and index arrays keep a LabelMatrix, ints do not.

        Two index arrays select a block, as :func:`numpy.ix_` does; a boolean array (n, m) selects
        single votes. Whatever else NumPy knows (``None``, arrays of two axes) gives an array.
        """
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        if not (is_plain_key(rows) and is_plain_key(columns)):
            return self.to_dense()[np.asarray(key) if np.ndim(key) == 2 else key]
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

        taken = LabelMatrix(
            take(self.codes),
            lf_names=[self.lf_names[j] for j in columns],
            classes=self.classes,
            row_ids=self.row_ids[rows],
            lf_classes=self.lf_classes[columns],
            scores=None if self.scores is None else take(self.scores),
            continuous=self.continuous[columns],
        )
        taken.has_row_ids = self.has_row_ids
        taken.voted_rows = None if self.voted_rows is None else self.voted_rows.take(rows)
        return taken

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
        renamed.classes = self.classes if classes is None else as_class_names(classes)
        check_fields(renamed)
        return renamed

    def in_class_order(self, classes: Iterable[Any]) -> LabelMatrix:
        """Return the same votes with the same classes in another order; codes follow.

        Examples
        --------
        >>> L = LabelMatrix.from_dense([[0, 1], [-1, 0]], classes=["romance", "action"])
        >>> L.in_class_order(["action", "romance"]).to_dense().tolist()
        [[1, 0], [-1, 1]]
        """
        given, classes = classes, as_class_names(classes if is_listed(classes) else None)
        if tuple(classes) == self.classes:
            return self
        if len(classes) != self.n_classes or set(classes) != set(self.classes):
            raise InputError(f"needed are the classes {list(self.classes)}, found {given!r}")
        codes = np.array([classes.index(name) for name in self.classes] + [ABSTAIN])
        dtype = np.int8 if len(classes) < np.iinfo(np.int8).max else np.int16
        stored, moved = self.codes, copy.copy(self)
        new = np.roll(codes + 1, 1).astype(dtype)[stored.data]  # code 0 is abstain
        moved.codes = sp.csr_array((new, stored.indices, stored.indptr), shape=stored.shape)
        ids = self.classes.ids or self.classes
        moved.classes = ClassNames(classes, [ids[self.classes.index(name)] for name in classes])
        moved.lf_classes = codes[self.lf_classes]  # -1 takes the last
        return moved

    def with_coded_classes(self) -> LabelMatrix:
        """Return votes in which the numbers of classes are their codes, whatever their names.

        For code that holds gold as codes beside votes.
        """
        codes = range(self.n_classes)
        same = self.classes.numbers == tuple(codes)
        return self if same else self.with_classes(ClassNames(tuple(self.classes), codes))

    def for_rows(self, row_ids: Iterable[Any]) -> LabelMatrix:
        """Return the votes on rows with these ids, in their order: an exact join.

        Parameters
        ----------
        row_ids : iterable of k ids
            For example the index of a frame that was shuffled or filtered after voting.

        Raises
        ------
        InputError
            If a row has no votes, or an id stands for several rows.

        Examples
        --------
        >>> L = LabelMatrix.from_dense([[0], [1], [-1]], row_ids=["a", "b", "c"])
        >>> L.for_rows(["c", "b"]).to_dense().tolist()
        [[-1], [1]]
        """
        return self[exact_places(as_row_ids(row_ids), self.row_ids)]

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
        split = LabelMatrix.from_triplets(
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
        split.has_row_ids = self.has_row_ids
        return split

    def join_columns(
        self, lfs: Sequence[int], lf_names: Sequence[str] | None = None, n_lfs: int | None = None
    ) -> LabelMatrix:
        """Return the votes of the LFs (n, m) that unipolar columns were split from.

        Parameters
        ----------
        lfs : sequence of int
            The LF of each column, as the first entries of a plan.
        lf_names : sequence of str, optional
        n_lfs : int, optional
            Default: as many as the columns name. An LF without a column never votes.

        Examples
        --------
        >>> L = LabelMatrix.from_dense([[0, 1], [1, 1], [-1, 0]])
        >>> plan = L.unipolar_plan()
        >>> L.to_unipolar(plan).join_columns([lf for lf, _ in plan]).to_dense().tolist()
        [[0, 1], [1, 1], [-1, 0]]
        """
        lf = np.asarray(lfs, dtype=np.int64)
        m = int(lf.max(initial=-1)) + 1 if n_lfs is None else n_lfs
        columns = np.bincount(lf, minlength=m)
        lf_classes, continuous = np.full(m, ABSTAIN), np.zeros(m, dtype=bool)
        lf_classes[lf] = np.where(columns[lf] == 1, self.lf_classes, ABSTAIN)
        continuous[lf] = self.continuous
        joined = LabelMatrix(
            moved_columns(self.codes, lf, m),
            scores=None if self.scores is None else moved_columns(self.scores, lf, m),
            continuous=continuous,
            lf_names=lf_names,
            classes=self.classes,
            row_ids=self.row_ids,
            lf_classes=lf_classes,
        )
        joined.has_row_ids = self.has_row_ids
        return joined

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
        has_row_ids, voted_rows = fields.pop("has_row_ids"), fields.pop("voted_rows")
        try:
            with guarded_reading(path, KIND, ADVICE):
                matrix = cls(fields.pop("codes"), **fields)
        except InputError as error:
            raise FileFormatError(f"{path} is not {KIND} or is damaged ({error})") from error
        matrix.has_row_ids, matrix.voted_rows = has_row_ids, voted_rows
        return matrix


def scores_or_zeros(matrix: LabelMatrix) -> sp.csr_array:
    """Scores (n, m) of a label matrix, one for each vote; zeros if it has none."""
    if matrix.scores is not None:
        return matrix.scores
    codes = matrix.codes
    zeros = np.zeros(codes.nnz, dtype=np.float32)
    return sp.csr_array((zeros, codes.indices, codes.indptr), shape=codes.shape)


def _stacked(matrices: list[sp.csr_array]) -> sp.csr_array:
    return sp.csr_array(sp.vstack(matrices, format="csr"))


def is_plain_key(key: Any) -> bool:
    """Return whether a key of one axis is a number, a slice, an ellipsis, a mask or positions."""
    if key is None or isinstance(key, tuple | bool | np.bool_):
        return False
    return isinstance(key, slice) or key is Ellipsis or np.ndim(key) <= 1


def as_index(key: Any, size: int) -> np.ndarray:
    """Positions (k,) that a slice, mask or index array selects of `size`."""
    index = np.arange(size)[key]
    return np.atleast_1d(index)


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
    named = not matrix.classes.mere_codes and not ClassNames(classes).mere_codes
    top = int(matrix.codes.data.max(initial=0))
    if named or top > len(classes):
        raise InputError(
            f"L votes for classes {list(matrix.classes)}, the model knows {list(classes)}"
        )
    return matrix.with_classes(classes)
