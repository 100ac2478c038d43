"""Data points from lists, DataFrames and tables of Arrow or Polars: rows and batches."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.hf_datasets import as_frame, is_dataset
from spear_amal.labeling.cell_values import as_list, holds_nulls
from spear_amal.labeling.rows import field, row_of


class RowSource(Protocol):
    """n data points in an order that never changes."""

    n: int
    ids: Any

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""

    def column(self, name: str, start: int, stop: int) -> Any:
        """Return one field of data points start..stop-1, as :func:`get_column` does of a batch."""
        return get_column(self.batch(start, stop), name)

    def take(self, places: np.ndarray) -> RowSource:
        """Return the data points at these places, in this order; their ids stay with them."""


class ListSource(RowSource):
    """A sequence of data points of any type, or an array whose first axis counts them."""

    def __init__(self, points: Any) -> None:
        if isinstance(points, pd.DataFrame):
            raise InputError("data_points is a DataFrame; use PandasLFApplier")
        table = is_table(points) or is_stream(points) or is_dataset(points)
        if table or isinstance(points, str | Mapping) or not hasattr(points, "__iter__"):
            raise InputError(
                f"data_points must be a list of rows, found {type(points).__name__}; use "
                "PandasLFApplier for a pandas DataFrame, ColumnLFApplier for a mapping of columns "
                "or a table of Arrow, Polars or DuckDB"
            )
        typed = any(hasattr(points, name) for name in ("to_pylist", "to_list"))
        self._is_column = typed or (isinstance(points, np.ndarray) and points.ndim == 1)
        sized = self._is_column or isinstance(points, Sequence | np.ndarray)
        self._given = points if sized else list(points)
        self.n = len(self._given)
        self.ids = points.index if isinstance(points, pd.Series) else None

    @cached_property
    def _points(self) -> Any:
        """Return the points one by one; made of a column of Arrow, Polars, pandas or NumPy."""
        return as_list(self._given) if self._is_column else self._given

    def column(self, name: str, start: int, stop: int) -> Any:
        """Return one field of data points start..stop-1; of texts, which are their own, these."""
        if is_text_column(self._given):
            return _part(self._given, start, stop)
        return super().column(name, start, stop)

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        return list(self._points[start:stop])

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        return self._points[start:stop]

    def take(self, places: np.ndarray) -> RowSource:
        """Return the data points at these places."""
        return _with_ids(ListSource([self._points[place] for place in places]), self, places)


class FrameSource(RowSource):
    """A pandas DataFrame; rows are taken by position, ids are its index."""

    def __init__(self, frame: Any) -> None:
        frame = as_frame(frame)
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"needed a pandas DataFrame, found {type(frame).__name__}; use LFApplier for a "
                "list of rows, ColumnLFApplier for a mapping of columns or a table of Arrow, "
                "Polars or DuckDB"
            )
        if not frame.columns.is_unique:  # which pandas remembers
            _refuse_twice(frame.columns)
        self._frame = frame
        self.n = len(frame)
        self.ids = frame.index

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        part = self._frame.iloc[start:stop]
        columns = {name: part[name] for name in part.columns}
        return _zip_rows(columns, stop - start, part.index.tolist())

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        whole = start == 0 and stop == self.n
        return self._frame if whole else self._frame.iloc[start:stop]

    def take(self, places: np.ndarray) -> RowSource:
        """Return the data points at these places."""
        return FrameSource(self._frame.iloc[places])


class TableSource(RowSource):
    """A pyarrow Table or RecordBatch, or a polars DataFrame; batches are slices without a copy."""

    def __init__(self, table: Any) -> None:
        self._names = names_of(table)
        _refuse_twice(self._names)
        self._table = table
        self.n = len(table)
        self.ids = None

    def rows(self, start: int, stop: int) -> list[Any]:
        """Return data points start..stop-1 as row objects."""
        part = self._table.slice(start, stop - start)
        return _zip_rows({name: part[name] for name in self._names}, stop - start)

    def batch(self, start: int, stop: int) -> Any:
        """Return data points start..stop-1 as a batch for a vectorised LF."""
        whole = start == 0 and stop == self.n
        return self._table if whole else self._table.slice(start, stop - start)

    def take(self, places: np.ndarray) -> RowSource:
        """Return the data points at these places."""
        table = self._table
        taken = table.take(places) if hasattr(table, "take") else table[places]  # Arrow, Polars
        return _with_ids(TableSource(taken), self, places)


class ColumnSource(RowSource):
    """A mapping of columns of equal length."""

    def __init__(self, columns: Any) -> None:
        if not isinstance(columns, Mapping):
            raise InputError(
                "needed a mapping of columns, or a table of pandas, Arrow, Polars or DuckDB, found "
                f"{type(columns).__name__}"
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

    def take(self, places: np.ndarray) -> RowSource:
        """Return the data points at these places."""
        taken = {name: _taken(values, places) for name, values in self._columns.items()}
        return _with_ids(ColumnSource(taken), self, places)


def source_of_columns(columns: Any) -> RowSource:
    """Source of a mapping of columns, or of a table of pandas, Arrow or Polars."""
    if isinstance(columns, pd.DataFrame) or is_dataset(columns):
        return FrameSource(columns)
    return TableSource(columns) if is_table(columns) else ColumnSource(columns)


def _refuse_twice(names: Iterable[Any]) -> None:
    counts = Counter(names)
    if len(counts) < counts.total():
        twice = sorted(str(name) for name, count in counts.items() if count > 1)
        raise InputError(f"column names must be unique; given twice: {twice}")


def _part(values: Any, start: int, stop: int) -> Any:
    # A Series with integer labels would be sliced by position anyway; iloc says so.
    return values.iloc[start:stop] if isinstance(values, pd.Series) else values[start:stop]


def _taken(values: Any, places: np.ndarray) -> Any:
    if isinstance(values, pd.Series):
        return values.iloc[places]
    if isinstance(values, np.ndarray):
        return values[places]
    return values.take(places) if hasattr(values, "take") else [values[i] for i in places.tolist()]


def _with_ids(taken: RowSource, source: RowSource, places: np.ndarray) -> RowSource:
    """Return what was taken with the ids of its rows, or else the numbers that they had."""
    taken.ids = places if source.ids is None else source.ids[places]
    return taken


def _zip_rows(columns: Mapping[Any, Any], n: int, labels: list[Any] | None = None) -> list[Any]:
    """Rows of columns, with the labels of an index where there is one."""
    names = list(columns)
    values = [as_list(column) for column in columns.values()]
    fields = zip(*values, strict=True) if columns else [()] * n
    if labels is None:
        return [row_of(zip(names, cells, strict=True)) for cells in fields]
    pairs = zip(fields, labels, strict=True)
    return [row_of(zip(names, cells, strict=True), label) for cells, label in pairs]


def get_column(batch: Any, name: str) -> Any:
    """One column of a batch: of a table or mapping as it is kept there, else a list of fields.

    Raises
    ------
    InputError
        If the batch has no such column.
    """
    if isinstance(batch, pd.DataFrame):
        try:
            return batch[name]
        except KeyError:
            raise InputError(f"no column {name!r}; the columns are {list(batch)}") from None
    if isinstance(batch, Mapping):
        if name not in batch:  # some make what they lack
            raise InputError(f"no column {name!r}; the columns are {list(batch)}")
        return batch[name]
    if is_table(batch):
        if name not in names_of(batch):
            raise InputError(f"no column {name!r}; the columns are {names_of(batch)}")
        return batch[name]
    return [field(x, name) for x in batch]


_TABLES = {"pyarrow": ("Table", "RecordBatch"), "polars": ("DataFrame",)}
_COLUMNS = {"pyarrow": ("Array", "ChunkedArray"), "polars": ("Series",)}


def is_table(x: Any) -> bool:
    """Return whether `x` is a table of Arrow (Table, RecordBatch) or a DataFrame of Polars."""
    return _is_one_of(x, _TABLES)


def is_text_column(column: Any) -> bool:
    """Return whether a column of pandas, Arrow or Polars is typed as texts, and none is missing."""
    if isinstance(column, pd.Series):
        return isinstance(column.dtype, pd.StringDtype) and not column.hasnans
    if not is_column(column):
        return False
    kind = getattr(column, "type", None) or column.dtype  # of Arrow, of Polars
    return str(kind).lower() in ("string", "large_string") and not holds_nulls(column)


def is_column(x: Any) -> bool:
    """Return whether `x` is a column of Arrow (Array, ChunkedArray) or a Series of Polars."""
    return _is_one_of(x, _COLUMNS)


def _is_one_of(x: Any, kinds: Mapping[str, tuple[str, ...]]) -> bool:
    for package, names in kinds.items():
        # Whoever has such an object has imported its package.
        module = sys.modules.get(package)
        if module is not None and isinstance(x, tuple(getattr(module, name) for name in names)):
            return True
    return False


def names_of(table: Any) -> list[str]:
    """Names of the columns of a table, in order."""
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def is_stream(x: Any) -> bool:
    """Return whether `x` is a table that is read block by block.

    That is the path of Parquet files, a LazyFrame of Polars, a RecordBatchReader, Dataset or
    Scanner of Arrow, a relation of DuckDB, and whatever else hands out a stream of Arrow's C
    interface, but for what is in memory as a table or column of pandas, Arrow or Polars.
    """
    if isinstance(x, str | os.PathLike) or is_lazy(x) or is_scanned(x):
        return True
    in_memory = isinstance(x, pd.DataFrame | pd.Series | pd.Index) or is_table(x) or is_column(x)
    return hasattr(type(x), "__arrow_c_stream__") and not in_memory


def is_lazy(x: Any) -> bool:
    """Return whether `x` is a LazyFrame of Polars."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(x, polars.LazyFrame)


def is_scanned(x: Any) -> bool:
    """Return whether `x` is a Dataset or Scanner of Arrow."""
    dataset = sys.modules.get("pyarrow.dataset")
    return dataset is not None and isinstance(x, dataset.Dataset | dataset.Scanner)
