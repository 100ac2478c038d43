"""Votes as other tools write them: 0 for abstain, lists of answers, names instead of codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Any, Unpack

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal._typing import MatrixLike, TableLike, VotesLike
from spear_amal.errors import InputError
from spear_amal.votes.class_set import ABSTAIN, ClassesLike, is_listed
from spear_amal.votes.label_matrix import LabelMatrix, MatrixFields, as_label_matrix
from spear_amal.votes.matrix_checks import as_class_names, as_dense_votes, as_whole_numbers


def flyingsquid_label_matrix(votes: MatrixLike, **fields: Unpack[MatrixFields]) -> LabelMatrix:
    """Make a label matrix of votes as FlyingSquid and binary Snorkel before 0.9 have them.

    Parameters
    ----------
    votes : array of shape (n, m)
        0 for abstain, -1 for class 0, 1 for class 1; may be sparse.
    **fields
        ``lf_names``, ``classes``, ``row_ids``, ``lf_classes``, as :class:`LabelMatrix`.

    Raises
    ------
    InputError
        If there are other votes.

    Examples
    --------
    >>> flyingsquid_label_matrix([[1, 0], [-1, 1]]).to_dense().tolist()
    [[1, -1], [0, 1]]
    """
    return _of_signed(votes, {-1: 0, 1: 1}, "FlyingSquid writes -1, 0 (abstain) and 1", fields)


def to_flyingsquid(L: VotesLike) -> np.ndarray:
    """Return votes of two classes as FlyingSquid has them: 0 abstain, -1 class 0, 1 class 1.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)

    Returns
    -------
    ndarray of int8, shape (n, m)

    Raises
    ------
    InputError
        If there are other than two classes.
    """
    matrix = as_label_matrix(L)
    if matrix.n_classes != 2:
        raise InputError(
            f"FlyingSquid knows two classes, the votes are for {list(matrix.classes)}; convert one "
            "class against the rest"
        )
    return np.array([0, -1, 1], dtype=np.int8)[matrix.codes.toarray()]


def metal_label_matrix(votes: MatrixLike, **fields: Unpack[MatrixFields]) -> LabelMatrix:
    """Make a label matrix of votes as MeTaL and Snorkel before 0.9 have them.

    Parameters
    ----------
    votes : array or sparse matrix of shape (n, m)
        0 for abstain, classes from 1 on.
    **fields
        ``lf_names``, ``classes``, ``row_ids``, ``lf_classes``, as :class:`LabelMatrix`; here
        classes count from 0.

    Raises
    ------
    InputError
        If a vote is below 0 or no class.

    Examples
    --------
    >>> metal_label_matrix([[1, 0], [2, 3]]).to_dense().tolist()
    [[0, -1], [1, 2]]
    """
    return _of_signed(votes, None, "MeTaL writes 0 (abstain) and classes from 1", fields)


def to_metal(L: VotesLike) -> sp.csr_matrix:
    """Return votes as MeTaL has them: a sparse matrix (n, m) int, 0 abstain, classes from 1.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)
    """
    return sp.csr_matrix(as_label_matrix(L).codes.astype(np.int64))


def _of_signed(
    votes: Any, codes: dict[int, int] | None, convention: str, fields: MatrixFields
) -> LabelMatrix:
    """Make a label matrix of votes of which 0 is abstain; `codes` by vote, None: vote - 1."""
    if sp.issparse(votes):
        cells = votes.tocoo()
        rows, columns, cast = cells.row, cells.col, as_whole_numbers(cells.data, "votes")
        rows, columns, cast = (part[cells.data != 0] for part in (rows, columns, cast))
    else:
        votes = as_dense_votes(votes)
        rows, columns = np.nonzero(votes)
        cast = votes[rows, columns]
    wrong = cast[~np.isin(cast, list(codes)) if codes else cast < 1]
    if len(wrong):
        raise InputError(f"{convention}, found the vote {wrong[0]}")
    mapped = np.array([codes[vote] for vote in cast.tolist()]) if codes else cast.astype(int) - 1
    return LabelMatrix.from_triplets(rows, columns, mapped, votes.shape, **fields)


def crowd_label_matrix(
    table: TableLike,
    *,
    task: str = "task",
    worker: str = "worker",
    label: str = "label",
    classes: ClassesLike = None,
) -> LabelMatrix:
    """Make a label matrix of a list of answers, one a line: tasks are rows, workers are LFs.

    Parameters
    ----------
    table : DataFrame or mapping of columns
    task, worker, label : str
        Names of its columns; those by default are crowd-kit's. A missing label abstains.
    classes : sequence, optional
        Labels in the order of their codes; default: those that occur, sorted.

    Returns
    -------
    LabelMatrix
        Tasks and workers in the order in which they first occur, as ``row_ids`` and ``lf_names``.

    Raises
    ------
    InputError
        If a column is missing, a worker answers a task twice, a label is no class, or two tasks
        or workers are equal as texts.

    Examples
    --------
    >>> answers = {"task": ["t1", "t1", "t2"], "worker": ["ann", "bob", "bob"]}
    >>> L = crowd_label_matrix({**answers, "label": ["cat", "dog", "cat"]})
    >>> L.to_dense().tolist(), L.classes, L.lf_names
    ([[0, 1], [-1, 0]], ('cat', 'dog'), ('ann', 'bob'))
    """
    tasks, task_ids = _numbered(table, task)
    workers, names = _numbered(table, worker)
    codes, known = _class_codes(_column(table, label), classes)
    if len(codes) != len(tasks) or len(workers) != len(tasks):
        raise InputError(f"the columns {task!r}, {worker!r} and {label!r} have different lengths")
    given = codes != ABSTAIN
    pairs = tasks[given] * len(names) + workers[given]
    if len(np.unique(pairs)) < len(pairs):
        pair = next(int(p) for p, times in Counter(pairs.tolist()).items() if times > 1)
        raise InputError(
            f"worker {names[pair % len(names)]!r} answers task {task_ids[pair // len(names)]!r} "
            "more than once; keep one answer of each, for instance by drop_duplicates"
        )
    return LabelMatrix.from_triplets(
        *(tasks[given], workers[given], codes[given], (len(task_ids), len(names))),
        lf_names=[str(name) for name in names],
        classes=known,
        row_ids=task_ids,
    )


def to_crowd(L: VotesLike) -> pd.DataFrame:
    """Return votes as a list of answers, as crowd-kit reads them.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)

    Returns
    -------
    DataFrame
        One line for each vote, with columns ``task`` (row id), ``worker`` (LF) and ``label``
        (class name); rows without votes are not in it.
    """
    matrix = as_label_matrix(L)
    votes = matrix.codes.tocoo()
    columns = {
        "task": matrix.row_ids[votes.row],
        "worker": [matrix.lf_names[j] for j in votes.col.tolist()],
        "label": [matrix.classes[code - 1] for code in votes.data.tolist()],
    }
    return pd.DataFrame(columns)


def named_label_matrix(table: Any, **fields: Unpack[MatrixFields]) -> LabelMatrix:
    """Make a label matrix of a table of class names; a missing name abstains.

    Parameters
    ----------
    table : DataFrame or array-like of shape (n, m)
        Of a DataFrame, columns are the names of the LFs and the index has the row ids.
    **fields
        ``lf_names``, ``row_ids``, ``lf_classes``, as :class:`LabelMatrix`, and ``classes``, the
        names in the order of their codes; default: those that occur, sorted.

    Raises
    ------
    InputError
        If a name is no class.

    Examples
    --------
    >>> L = named_label_matrix([["spam", None], ["ham", "spam"]])
    >>> L.to_dense().tolist(), L.classes
    ([[1, -1], [0, 1]], ('ham', 'spam'))
    """
    if isinstance(table, pd.DataFrame):
        fields.setdefault("lf_names", [str(name) for name in table.columns])
        fields.setdefault("row_ids", table.index)
    columns = _columns(table)
    shape = (len(columns[0]) if columns else 0, len(columns))
    values = [value for column in columns for value in column]
    codes, fields["classes"] = _class_codes(values, fields.get("classes"))
    votes = codes.reshape(shape[::-1]).T
    rows, lfs = np.nonzero(votes != ABSTAIN)
    return LabelMatrix.from_triplets(rows, lfs, votes[rows, lfs], shape, **fields)


def _columns(table: Any) -> list[list[Any]]:
    """Cells of a table, LF by LF."""
    if isinstance(table, pd.DataFrame):
        return [table.iloc[:, j].tolist() for j in range(table.shape[1])]
    rows = list(table) if is_listed(table) else []
    lists = (list, tuple, np.ndarray, pd.Series)  # a text is no list of names
    if not rows or not all(isinstance(row, lists) for row in rows):
        raise InputError(f"a table of names must have rows of names, found {table!r:.99}")
    if len({len(row) for row in rows}) > 1:
        raise InputError("a table of names must have rows of one length")
    return [list(column) for column in zip(*rows, strict=True)]


def to_names(L: VotesLike) -> pd.DataFrame:
    """Return votes as a table (n, m) of class names, None where an LF abstains.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)

    Returns
    -------
    DataFrame
        Columns are the LFs, the index has the row ids.
    """
    matrix = as_label_matrix(L)
    names = np.empty(matrix.n_classes + 1, dtype=object)
    names[1:] = matrix.classes
    cells = names[matrix.codes.toarray()]
    return pd.DataFrame(cells, matrix.row_ids, list(matrix.lf_names), dtype=object)


def _column(table: TableLike, name: str) -> list[Any]:
    try:
        column: Any = table[name]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"the table has no column {name!r}; pass its name") from error
    if isinstance(column, str | bytes) or not is_listed(column):
        raise InputError(f"column {name!r} must be a list of values, found {column!r:.99}")
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _numbered(table: TableLike, name: str) -> tuple[np.ndarray, list[Any]]:
    """Return the number of each value of a column, and the values in order of appearance."""
    values = _column(table, name)
    if any(_is_empty(value) for value in values):
        raise InputError(f"column {name!r} holds missing values; every answer needs one")
    _require_single(values, f"column {name!r}")
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    texts = Counter(map(str, numbers))
    if len(texts) < len(numbers):
        raise InputError(f"column {name!r} holds values that are equal as texts: {texts!r:.99}")
    return np.array([numbers[value] for value in values], dtype=np.int64), list(numbers)


def _class_codes(values: Iterable[Any], classes: ClassesLike) -> tuple[np.ndarray, Iterable[Any]]:
    """Return class codes of names, -1 where a name is missing, and the class names."""
    names = [None if _is_empty(value) else value for value in values]
    _require_single(names, "class names")
    known = _occurring(names) if classes is None else as_class_names(classes)
    codes = {None: ABSTAIN, **{name: code for code, name in enumerate(known)}}
    if wrong := [name for name in names if name not in codes]:
        raise InputError(f"{wrong[0]!r} is none of the classes {list(known)}")
    return np.array([codes[name] for name in names], dtype=np.int64), known


def _require_single(values: list[Any], what: str) -> None:
    single = (str, int, float, np.generic, Enum, date, type(None))
    if wrong := [value for value in values if not isinstance(value, single)]:
        raise InputError(f"{what} must be single texts or numbers, found {wrong[0]!r:.99}")


def _occurring(names: list[Any]) -> list[Any]:
    occurring = {name for name in names if name is not None}
    try:
        known = sorted(occurring)
    except TypeError as error:
        raise InputError(f"class names cannot be sorted ({error}); pass classes=") from error
    if len(known) < 2:
        raise InputError(f"only the class names {known} occur; pass classes= with all of them")
    return known


def _is_empty(value: Any) -> bool:
    """Return whether a cell is empty: None, NaN, or pandas' and NumPy's marks for it."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)
