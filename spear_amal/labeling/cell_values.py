"""Cells of tables as labelling functions see them: the same Python object by every route.

A column of integers with a null is held as floats by one library, as integers by another, and a
missing value has four names. Votes must not depend on that, nor on which rows share a batch. So
columns of pandas, NumPy, Arrow and Polars become lists here, and nowhere else.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

# Types of values that stay as they are. Not float: NaN is one.
_PLAIN = frozenset(
    [
        *(str, bytes, int, bool, type(None), decimal.Decimal, pd.Timestamp, pd.Timedelta),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    ]
)


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, NaN, NaT or pandas' NA."""
    if isinstance(value, float):
        return value != value
    return value is None or value is pd.NA or value is pd.NaT


def as_list(values: Any) -> list[Any]:
    """Return the cells of a column as Python objects, None where one is missing.

    Numbers are int, float and bool whatever else is in the column, categories are what they stand
    for, times are :class:`pandas.Timestamp` (a datetime), lists are list and structs are dict.

    Parameters
    ----------
    values : pandas Series, array of NumPy, Arrow or Polars, or sequence of shape (n,)

    Examples
    --------
    >>> as_list(pd.Series([2**53 + 1, None], dtype="Int64"))
    [9007199254740993, None]
    >>> as_list(np.array([0.5, np.nan])), as_list([np.array([1, 2]), float("nan")])
    ([0.5, None], [[1, 2], None])
    """
    if isinstance(values, list | tuple):
        return plain_values(values)
    if isinstance(values, np.ndarray):
        return _of_numpy(values)
    if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _of_pandas(values)
    package = type(values).__module__.partition(".")[0]
    if package == "pyarrow":
        return _of_arrow(values)
    if package == "polars":
        return _of_polars(values)
    for method in ("tolist", "to_list"):
        if hasattr(values, method):
            return plain_values(getattr(values, method)())
    return plain_values(list(values))


def holds_nulls(values: Any) -> bool:
    """Return whether a column is of Arrow or Polars and holds nulls, which NumPy would make NaN."""
    nulls = getattr(values, "null_count", 0)
    return bool(nulls() if callable(nulls) else nulls)


def plain_values(values: Iterable[Any]) -> list[Any]:
    """Return Python objects with None for what is missing, and arrays inside them as lists."""
    listed = values if isinstance(values, list) else list(values)
    if set(map(type, listed)) <= _PLAIN:
        return listed
    return [value if type(value) in _PLAIN else _plain(value) for value in listed]


def _plain(value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, np.ndarray):
        return _of_numpy(value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _of_numpy(np.array([value]))[0]
    if isinstance(value, np.generic):
        return _plain(value.item()) if value.dtype.kind == "f" else value.item()
    # Exactly these types: what a user derived from them keeps its own.
    if type(value) is list:
        return plain_values(value)
    if type(value) is tuple:
        return tuple(plain_values(value))
    if type(value) is dict:
        return dict(zip(value, plain_values(value.values()), strict=True))
    return value


def _of_numpy(values: np.ndarray) -> list[Any]:
    kind = values.dtype.kind
    if kind in "mM" and values.ndim == 1:  # tolist() would give numbers of nanoseconds
        return _of_pandas(pd.Series(values))
    listed: list[Any] = values.tolist()
    if kind == "O" or values.ndim != 1:
        return plain_values(listed)
    if kind == "f" and np.isnan(values).any():
        return [None if value is None or value != value else value for value in listed]
    return listed


def _of_pandas(values: Any) -> list[Any]:
    kind = values.dtype
    if isinstance(kind, np.dtype) and kind.kind not in "mM":
        return _of_numpy(values.to_numpy())
    if isinstance(kind, pd.CategoricalDtype):
        return _decoded(values)
    if isinstance(kind, pd.ArrowDtype):
        import pyarrow as pa

        return _of_arrow(pa.array(values))
    if isinstance(kind, pd.StringDtype):
        texts: list[Any] = values.to_numpy(dtype=object, na_value=None).tolist()
        return texts
    return plain_values(values.tolist())


def _decoded(values: Any) -> list[Any]:
    """Cells of a column of categories; pandas itself makes floats of integers beside a null."""
    categorical = values.cat if isinstance(values, pd.Series) else values
    codes = np.asarray(categorical.codes).tolist()
    categories = [*as_list(categorical.categories), None]  # the code -1 is the last one
    return [categories[code] for code in codes]


def _of_arrow(values: Any) -> list[Any]:
    import pyarrow as pa

    kind, is_type = values.type, pa.types
    if is_type.is_dictionary(kind):
        return _of_arrow(values.cast(kind.value_type))
    if is_type.is_timestamp(kind) or is_type.is_duration(kind):
        return _of_pandas(values.to_pandas())
    if is_type.is_floating(kind):
        return _of_numpy(values.to_numpy(zero_copy_only=False))
    if is_type.is_integer(kind) and not values.null_count:
        return _of_numpy(values.to_numpy(zero_copy_only=False))
    if is_type.is_string(kind) or is_type.is_large_string(kind):
        listed: list[Any] = values.to_numpy(zero_copy_only=False).tolist()
        return listed
    listed = values.to_pylist()
    return plain_values(listed) if is_type.is_nested(kind) else listed


def _of_polars(values: Any) -> list[Any]:
    import polars as pl

    kind = values.dtype
    if kind == pl.Datetime or kind == pl.Duration:
        # NumPy keeps the nanoseconds that Python's datetime has not.
        times = pd.Series(values.to_numpy())
        zone = getattr(kind, "time_zone", None)
        return _of_pandas(times.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else times)
    listed: list[Any] = values.to_list()
    if kind.is_nested() or kind == pl.Object:
        return plain_values(listed)
    if kind.is_float() and values.is_nan().any():
        return plain_values(listed)
    return listed


def number_column(values: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a column of numbers as an array (n,), and which rows have one; None if all have.

    Whole numbers stay whole beside a missing one, however large they are; truth values are 0 and 1.
    A missing one among floats may be NaN as well, which compares as False.

    Raises
    ------
    ValueError, TypeError
        If a cell is no number.

    Examples
    --------
    >>> number_column([2**53 + 1, None])
    (array([9007199254740993,                0]), array([ True, False]))
    """
    array, known = _as_array(values)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False), known
    if array.dtype.kind in "iub":
        return array.view(np.int8) if array.dtype == bool else array, known
    cells = as_list(values)
    known = np.array([cell is not None for cell in cells], dtype=bool)
    if all(isinstance(cell, int) for cell in cells if cell is not None):
        return np.array([cell or 0 for cell in cells]), known
    return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64), known


# Stands for a column of which NumPy would make something else beside a null, as floats of integers.
_CELL_BY_CELL = np.empty(0, dtype=object), None


def _as_array(values: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a column as an array, 0 or NaN where a number is missing, and where one is known."""
    if isinstance(values, pd.Series):
        return _array_of_pandas(values)
    package = type(values).__module__.partition(".")[0]
    if package not in ("pyarrow", "polars") or not holds_nulls(values):
        return np.asarray(values), None
    if package == "polars":
        if values.dtype.is_integer():
            return values.fill_null(0).to_numpy(), values.is_not_null().to_numpy()
        return (values.to_numpy(), None) if values.dtype.is_float() else _CELL_BY_CELL
    kind = str(values.type)
    if kind.lstrip("u").startswith("int"):
        return np.asarray(values.fill_null(0)), np.asarray(values.is_valid())
    return (np.asarray(values), None) if kind in ("float", "double") else _CELL_BY_CELL


def _array_of_pandas(values: pd.Series) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(values.dtype, np.dtype):
        return values.to_numpy(), None
    known = values.notna().to_numpy()
    if known.all():
        return np.asarray(values), None
    kind = getattr(values.dtype, "numpy_dtype", np.dtype(object))  # of columns with a mask
    if kind.kind not in "iufb":
        return _CELL_BY_CELL
    return values.to_numpy(dtype=kind, na_value=0), known


def frame_of_schema(table: Any) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame whose types come of its schema, not of its values.

    Integers and truth values get pandas' types with NA, since a null would otherwise make floats
    or objects of the whole column; dictionaries are decoded, since their codes are those of one
    file. Missing numbers are NaN in columns of floats.

    Parameters
    ----------
    table : pyarrow.Table
    """
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            decoded = table.column(place).cast(column.type.value_type)
            table = table.set_column(place, column.name, decoded)
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=_nullable)
    return frame


def _nullable(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    if not pa.types.is_integer(kind):
        return None
    letters = "UInt" if pa.types.is_unsigned_integer(kind) else "Int"
    return pd.api.types.pandas_dtype(f"{letters}{kind.bit_width}")
