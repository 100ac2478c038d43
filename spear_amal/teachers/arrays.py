"""Outputs that are at hand already: arrays in the order of X, tables by row id."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.class_columns import SHOWN, from_kind


class ArrayTeacher(Teacher):
    """Outputs (n, C) in the order of the rows of X.

    Parameters
    ----------
    values : array (n, C)
    kind : {None, "logits", "probabilities"}
        None takes them as logits and refuses what looks like probabilities.
    name, classes, missing, silent
        As for :class:`Teacher`.
    """

    def __init__(
        self,
        values: MatrixLike,
        name: str = "array",
        classes: VectorLike | None = None,
        missing: str = "error",
        *,
        kind: str | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(name, classes, missing, silent)
        self.values = as_numbers(values)
        self.kind = kind

    def part(self, start: int, stop: int) -> ArrayTeacher:
        """Make a teacher of some of the rows."""
        other = copy.copy(self)
        other.values = self.values[start:stop]
        return other

    def _ask(self, X: Any, row_ids: VectorLike | None, n: int) -> np.ndarray:
        if len(self.values) != n:
            raise InputError(
                f"it has outputs for {len(self.values)} rows, X has {n}; an array must be in the "
                "order of X. To look rows up by id pass a DataFrame or a file of teacher outputs"
            )
        return from_kind(self.values, self.kind)


class FrameTeacher(Teacher):
    """Outputs in a DataFrame: its index holds row ids, its columns are the classes.

    Columns numbered 0, 1, .. by pandas' default are taken for the student's classes in order.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        name: str = "table",
        classes: VectorLike | None = None,
        missing: str = "error",
        *,
        kind: str | None = None,
        silent: bool = False,
    ) -> None:
        numbered = isinstance(frame.columns, pd.RangeIndex)
        columns = None if numbered else list(frame.columns)
        super().__init__(name, columns if classes is None else classes, missing, silent)
        self.values = as_numbers(frame.to_numpy())
        self.row_ids = frame.index.to_numpy()
        self.kind = kind

    def _ask(self, X: Any, row_ids: VectorLike | None, n: int) -> np.ndarray:
        values = from_kind(self.values, self.kind)
        return look_up(self.row_ids, values, row_ids, n)


def as_numbers(values: MatrixLike) -> np.ndarray:
    """Make a matrix of float64 of outputs.

    Raises
    ------
    InputError
        If they are no numbers or no matrix.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().double()
    try:
        made = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"teacher outputs must be numbers: {error}") from error
    if made.ndim != 2:
        raise InputError(f"teacher outputs must have shape (rows, classes), found {made.shape}")
    return made


def as_teacher_ids(ids: Any, what: str = "row_ids") -> np.ndarray:
    """Row ids (n,) as whole numbers, or else as text.

    Raises
    ------
    InputError
        If they are neither, or not one-dimensional.
    """
    made = np.asarray(ids)
    if made.ndim != 1:
        raise InputError(f"{what} must be one id for each row, found shape {made.shape}")
    if len(made) == 0:
        return made.astype(np.int64)
    if made.dtype.kind == "f" and bool((made == np.floor(made)).all()):
        made = made.astype(np.int64)
    if made.dtype.kind in "iu":
        return made.astype(np.int64)
    if made.dtype.kind in "OUST" and all(isinstance(x, str | int | np.integer) for x in made):
        if not any(isinstance(x, str) for x in made):
            return made.astype(np.int64)
        return made.astype(str)
    raise InputError(f"{what} must be whole numbers or text, found {made.dtype} {made[:SHOWN]}")


def look_up(ids: Any, values: np.ndarray, wanted: Any, n: int) -> np.ndarray:
    """Rows of `values` (N, C) for the ids `wanted` (n,); extra rows are left alone.

    Parameters
    ----------
    ids : sequence (N,)
        Ids of the rows of `values`.
    wanted : sequence (n,) or None
        None where `ids` are 0 to n-1: then these are the rows of X in order.

    Raises
    ------
    InputError
        If ids are missing, or stand for several different rows.
    """
    ids = as_teacher_ids(ids, "row ids of the outputs")
    if wanted is None:
        wanted = _row_numbers(ids, n)
    wanted = as_teacher_ids(wanted)
    if len(wanted) != n:
        raise InputError(f"row_ids has {len(wanted)} entries, X has {n} rows")
    if ids.dtype.kind != wanted.dtype.kind:
        ids, wanted = ids.astype(str), wanted.astype(str)
    ids, values = distinct(ids, values)
    positions = pd.Index(ids).get_indexer(pd.Index(wanted))
    if (positions < 0).any():
        lacking = wanted[positions < 0]
        raise InputError(
            f"{len(lacking)} of {n} rows have no outputs; the first missing row ids are "
            f"{lacking[:SHOWN].tolist()}, it holds ids such as {ids[:SHOWN].tolist()}"
        )
    return values[positions]


def distinct(ids: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each id once; an id may be there twice if its values are the same.

    Raises
    ------
    InputError
        If an id has different values.
    """
    codes, names = pd.factorize(ids)
    if len(names) == len(ids):
        return ids, values
    first = np.unique(codes, return_index=True)[1]
    earlier = values[first][codes]
    same = ((values == earlier) | (np.isnan(values) & np.isnan(earlier))).all(axis=1)
    if not same.all():
        twice = pd.unique(ids[~same])
        raise InputError(
            f"{len(twice)} row ids are there more than once with different outputs, first "
            f"{twice[:SHOWN].tolist()}; keep one row for each id"
        )
    return np.asarray(names), values[first]


def _row_numbers(ids: np.ndarray, n: int) -> np.ndarray:
    numbers = np.arange(n)
    if ids.dtype.kind == "i" and np.array_equal(np.unique(ids), numbers):
        return numbers
    raise InputError(
        f"its outputs are kept by row id (such as {ids[:SHOWN].tolist()}): row_ids are needed to "
        f"find the {n} rows of X; only ids 0 to {n - 1} are taken for the rows in order"
    )
