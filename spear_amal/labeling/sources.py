"""The three containers of data points behind one face: number, ids, rows and batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.labeling.rows import as_list, row_of


class Source(Protocol):
    """n data points in an order that never changes."""

    n: int
    ids: Any

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""


class ListSource:
    """A sequence of data points of any type, or an array whose first axis counts them."""

    def __init__(self, points: Any) -> None:
        if isinstance(points, str | Mapping) or not hasattr(points, "__iter__"):
            raise InputError(
                f"data_points must be a list of rows, found {type(points).__name__}; use "
                "PandasLFApplier for a DataFrame, ColumnLFApplier for a mapping of columns"
            )
        if isinstance(points, pd.DataFrame):
            raise InputError("data_points is a DataFrame; use PandasLFApplier")
        self._points = points if isinstance(points, Sequence | np.ndarray) else list(points)
        if isinstance(points, pd.Series):
            self._points = points.tolist()
        self.n = len(self._points)
        self.ids = points.index if isinstance(points, pd.Series) else None

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        return list(self._points[start:stop])

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        return self._points[start:stop]


class FrameSource:
    """A pandas DataFrame; rows are taken by position, ids are its index."""

    def __init__(self, frame: Any) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"needed a pandas DataFrame, found {type(frame).__name__}; use LFApplier for a "
                "list of rows, ColumnLFApplier for a mapping of columns"
            )
        if not frame.columns.is_unique:
            twice = sorted(set(frame.columns[frame.columns.duplicated()].astype(str)))
            raise InputError(f"column names must be unique; given twice: {twice}")
        self._frame = frame
        self.n = len(frame)
        self.ids = frame.index

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        part = self._frame.iloc[start:stop]
        return _zip_rows({name: part[name] for name in part.columns}, stop - start)

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        whole = start == 0 and stop == self.n
        return self._frame if whole else self._frame.iloc[start:stop]


class ColumnSource:
    """A mapping of columns of equal length."""

    def __init__(self, columns: Any) -> None:
        if not isinstance(columns, Mapping):
            raise InputError(
                f"needed a mapping of columns or a DataFrame, found {type(columns).__name__}"
            )
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns must have one length, found {lengths}")
        self._columns = columns
        self.n = next(iter(lengths.values()), 0)
        self.ids = None

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        return _zip_rows(self.batch(start, stop), stop - start)

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        if start == 0 and stop == self.n:
            return self._columns
        return {name: _part(values, start, stop) for name, values in self._columns.items()}


def _part(values: Any, start: int, stop: int) -> Any:
    # A Series with integer labels would be sliced by position anyway; iloc says so.
    return values.iloc[start:stop] if isinstance(values, pd.Series) else values[start:stop]


def _zip_rows(columns: Mapping[Any, Any], n: int) -> list[Any]:
    if not columns:
        return [row_of(()) for _ in range(n)]
    names = list(columns)
    values = [as_list(column) for column in columns.values()]
    return [row_of(zip(names, one, strict=True)) for one in zip(*values, strict=True)]
