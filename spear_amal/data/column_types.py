"""Types of columns: what the cells of a text file are to whoever computes with them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

# An id such as 01234 would lose its zeros as a number, so it is none.
_DIGITS = r"(?:0|[1-9][0-9]*)"
_WHOLE = re.compile(rf"[ \t]*[+-]?{_DIGITS}[ \t]*").fullmatch
_NUMBER = re.compile(
    rf"[ \t]*[+-]?(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*"
).fullmatch
_TRUTH = {"true": True, "True": True, "TRUE": True} | {
    **{"false": False, "False": False, "FALSE": False}
}
_INT64 = range(-(2**63), 2**63)
_EXACT = 2**53  # float64 holds every whole number below it


def column_of_cells(cells: Sequence[str]) -> pd.Series:
    """Return the column that cells of text stand for; an empty cell is missing.

    Whole numbers if every other cell is one, else numbers if every one is, else true and false if
    every one says so, else the texts as they are. Cells are texts too if one has leading zeros, or
    if the type would not hold them: whole numbers beyond 64 bits, or beyond 2^53 among fractions.

    Examples
    --------
    >>> column_of_cells(["1", "", "3"]).tolist(), column_of_cells(["01", "2"]).tolist()
    ([1, <NA>, 3], ['01', '2'])
    """
    filled = [cell for cell in cells if cell]
    values: list[Any] | None = None
    if all(map(_WHOLE, filled)):
        values = _whole_numbers(cells)
    elif all(map(_NUMBER, filled)):
        values = _numbers(cells)
    elif all(map(_TRUTH.__contains__, filled)):
        values = [_TRUTH.get(cell) for cell in cells]
    return column_of_values([cell or None for cell in cells] if values is None else values)


def column_of_values(values: Sequence[Any]) -> pd.Series:
    """Return a column of Python values, which stay what they are; None is missing.

    Whole numbers stay whole beside missing ones (Int64); whole numbers among fractions become
    float64 where it holds them. Of several kinds, the values themselves.

    Examples
    --------
    >>> column_of_values([2**62 + 1, None]).tolist(), column_of_values([1, "a"]).tolist()
    ([4611686018427387905, <NA>], [1, 'a'])
    """
    kinds = set(map(type, values))
    is_complete = type(None) not in kinds
    kinds.discard(type(None))
    if kinds == {int} and _fits(values):
        return pd.Series(values, dtype="int64" if is_complete else "Int64")
    if float in kinds and kinds <= {int, float} and not _loses_digits(values):
        return pd.Series(values, dtype="float64")
    if kinds == {bool} and is_complete:
        return pd.Series(values, dtype="bool")
    if kinds == {str}:
        return pd.Series(values)
    return pd.Series(values, dtype=object)


def stack_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other; a column that one of them lacks is missing there.

    Where types differ, the values stay what they are: whole numbers do not become floats.
    """
    if len(frames) == 1:
        return frames[0]
    stacked = {}
    for name in dict.fromkeys(name for frame in frames for name in frame):
        parts = [frame.get(name) for frame in frames]
        if len({None if part is None else part.dtype for part in parts}) == 1:
            stacked[name] = pd.concat(parts, ignore_index=True)
        else:
            values: list[Any] = []
            for part, frame in zip(parts, frames, strict=True):
                values += [None] * len(frame) if part is None else _none_for_missing(part)
            stacked[name] = column_of_values(values)
    return pd.DataFrame(stacked)


def _none_for_missing(column: pd.Series) -> list[Any]:
    values = column.tolist()
    return [None if gone else value for value, gone in zip(values, column.isna(), strict=True)]


def _whole_numbers(cells: Sequence[str]) -> list[int | None] | None:
    """Return whole numbers, or None if 64 bits do not hold them."""
    if max(map(len, cells), default=0) > 40:  # the padding of a table may be wide, digits not
        return None
    values = [int(cell) if cell else None for cell in cells]
    return values if _fits(values) else None


def _fits(values: Sequence[int | None]) -> bool:
    numbers = [value for value in values if value is not None]
    return not numbers or (min(numbers) in _INT64 and max(numbers) in _INT64)


def _numbers(cells: Sequence[str]) -> list[float | None] | None:
    """Return numbers, or None if float64 does not hold them."""
    values = [float(cell) if cell else None for cell in cells]
    for cell, value in zip(cells, values, strict=True):
        if value and abs(value) >= _EXACT and (math.isinf(value) or _WHOLE(cell)):
            return None
    return values


def _loses_digits(values: Sequence[Any]) -> bool:
    return any(type(value) is int and abs(value) >= _EXACT for value in values)
