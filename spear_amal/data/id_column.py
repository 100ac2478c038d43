"""The ids of a table's rows: one column, by which votes, predictions and reports know the rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.hf_datasets import as_frame
from spear_amal.votes.row_ids import as_row_ids

#: The column that holds the ids where none is named.
ID_COLUMN = "id"

_EXACT = 2**53  # float64 holds every whole number below it
_INT64 = range(-(2**63), 2**63)
# Whole numbers that are written in one way only: no padding, no plus, no leading zeros.
_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}").fullmatch


def ids_of(
    frame: pd.DataFrame, id_column: str | None = None, where: str = "the table"
) -> np.ndarray | None:
    """Return the ids of the rows of a table, or None if it has none: rows then go by position.

    Parameters
    ----------
    frame : DataFrame of n rows
        As :func:`~spear_amal.data.read_table` gives it, so that "007" is a text.
    id_column : str, optional
        Must hold an id of its own for each row. Default: the column ``id`` where it does.
    where : str
        What messages call the table.

    Returns
    -------
    ndarray (n,), or None
        Of int64 if all ids are whole numbers, exact above 2^53 too, else of texts.

    Raises
    ------
    InputError
        If the column that is named is not there, or rows have no id, or one that another row has.

    Warns
    -----
    UserWarning
        If there is a column ``id`` that nobody named, and it cannot tell the rows apart.

    Examples
    --------
    >>> ids_of(pd.DataFrame({"id": ["007", "8"], "text": ["a", "b"]})).tolist()
    ['007', '8']
    >>> ids_of(pd.DataFrame({"text": ["a", "b"]})) is None
    True
    """
    frame = as_frame(frame)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"needed is a DataFrame with ids, found {type(frame).__name__}")
    if not isinstance(id_column, Hashable):
        raise InputError(f"id_column must be the name of a column, found {id_column!r}")
    column = ID_COLUMN if id_column is None else id_column
    if column not in frame:
        if id_column is None:
            return None
        raise InputError(
            f"{where} has no column {column!r} for the ids of rows; it has {list(frame)}"
        )
    ids = [_plain(value) for value in frame[column].tolist()]
    fault = _fault(ids)
    if fault and id_column is None:
        warnings.warn(
            f"{where}: the column {column!r} is not taken for the ids of rows: {fault}; name "
            "another one as id_column (--id-column), or mend it",
            UserWarning,
            stacklevel=2,
        )
        return None
    if fault:
        raise InputError(
            f"{where}: the column {column!r} must hold an id of its own for each row, but {fault}; "
            "mend it, or name another one as id_column (--id-column)"
        )
    return as_row_ids(np.array(ids, dtype=np.int64) if _are_whole(ids) else [str(i) for i in ids])


def column_of_ids(cells: Sequence[str]) -> pd.Series:
    """Return a column of ids from cells of text: whole numbers, or the cells as they are.

    Unlike in other columns, 1.10, 1e5 and +3 stay texts: as numbers they would be other ids.

    Examples
    --------
    >>> column_of_ids(["7", "9007199254740993"]).tolist(), column_of_ids(["1e5", "007"]).tolist()
    ([7, 9007199254740993], ['1e5', '007'])
    """
    filled = [cell for cell in cells if cell]
    if filled and all(map(_CANONICAL, filled)):
        numbers = [int(cell) if cell else None for cell in cells]
        if all(number is None or number in _INT64 for number in numbers):
            return pd.Series(numbers, dtype="int64" if len(filled) == len(cells) else "Int64")
    texts = [cell or None for cell in cells]
    return pd.Series(texts, dtype=None if filled else object)


def _plain(value: Any) -> Any:
    """Return an id as a whole number or a text where that says the same; None where it is missing.

    Many tools make floats of whole numbers: 7.0 is 7 again as long as the float is exact.
    """
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if number != number:
            return None
        return int(number) if abs(number) < _EXACT and number.is_integer() else number
    if isinstance(value, list | dict | set | bytes | np.ndarray):
        return value
    return None if pd.isna(value) else str(value)  # dates, decimals, UUIDs


def _are_whole(ids: Sequence[Any]) -> bool:
    return all(type(value) is int for value in ids) and all(value in _INT64 for value in ids)


def _fault(ids: Sequence[Any]) -> str:
    """Return in words why values cannot be the ids of rows; empty if they can."""
    for row, value in enumerate(ids):
        if isinstance(value, float):
            return f"row {row} (counted from 0) holds the number {value!r}, which is no id"
        if value is not None and not isinstance(value, int | str):
            return f"row {row} (counted from 0) holds {type(value).__name__}"
    missing = [row for row, value in enumerate(ids) if value is None]
    if missing:
        return (
            f"row {missing[0]} (counted from 0) has none, as have {len(missing)} of {len(ids)} rows"
        )
    texts: pd.Series = pd.Series(ids if _are_whole(ids) else [str(value) for value in ids])
    again = np.flatnonzero(texts.duplicated())
    if not len(again):
        return ""
    second = int(again[0])
    first = int((texts == texts[second]).to_numpy().argmax())
    more = f" (and {len(again) - 1} rows more repeat an id)" if len(again) > 1 else ""
    return f"rows {first} and {second} (counted from 0) both have {ids[second]!r}{more}"
