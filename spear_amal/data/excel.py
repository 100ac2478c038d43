"""Sheets of Excel workbooks: the values of their cells, read and written."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.delimited import column_names
from spear_amal.data.json_lines import as_json
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.guard import guarded_reading

MAX_ROWS, MAX_COLUMNS, MAX_TEXT = 2**20, 2**14, 32_767  # rows and columns of a sheet; characters
_EXACT = 10**15  # Excel keeps 15 digits of a number
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
_FORMULA, _ERROR = "f", "e"  # types of cells

Cells = list[list[Any]]


def read_sheet(path: Path, sheet: str | None = None) -> dict[str, list[Any]]:
    """Return the values of a sheet by column, None for an empty cell.

    The first row that is not empty holds the names. A formula counts as the value that is stored
    with it, an error such as #N/A as an empty cell. Empty rows, and columns without a name and
    without a value, are left out.

    Parameters
    ----------
    path : Path
    sheet : str, optional
        Default: the first.

    Raises
    ------
    FileFormatError
        If the file is no workbook, formulas have no stored values, or a column is there twice.
    InputError
        If there is no such sheet, or nothing in it.

    Warns
    -----
    UserWarning
        If there are several sheets and none was named.
    """
    what = "a workbook (.xlsx) that can be read without a password"
    with guarded_reading(path, what, "save it anew as .xlsx, or as CSV"):
        with _workbook(path, with_formulas=True) as book:
            sheet = _chosen(path, [one.title for one in book.worksheets], sheet)
            rows, formulas = _rows_of(book[sheet])
        if formulas:
            with _workbook(path, with_formulas=False) as book:
                rows, _ = _rows_of(book[sheet])
    if formulas and all(rows[row][place] is None for row, place in formulas):
        raise FileFormatError(
            f"{path}, sheet {sheet!r}: {len(formulas)} cells hold formulas without their values; "
            "open it in a spreadsheet program and save it"
        )
    return _by_column([row for row in rows if any(value is not None for value in row)], path, sheet)


@contextmanager
def _workbook(path: Path, with_formulas: bool) -> Iterator[Any]:
    """Open a workbook: with its formulas, or with the values that are stored with them."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")  # of styles and other decoration
        book = load_workbook(path, read_only=True, data_only=not with_formulas)
    try:
        yield book
    finally:
        book.close()


def _chosen(path: Path, names: Sequence[str], sheet: str | None) -> str:
    if sheet is not None and sheet not in names:
        raise InputError(f"{path} has no sheet {sheet!r}; it has {list(names)}")
    if not names:
        raise InputError(f"{path} has no sheet with cells")
    if len(names) > 1 and sheet is None:
        warnings.warn(
            f"{path} has the sheets {list(names)}, of which {names[0]!r} is read; name another one "
            "with sheet= (--sheet)",
            UserWarning,
            stacklevel=3,
        )
    return sheet or names[0]


def _rows_of(sheet: Any) -> tuple[Cells, list[tuple[int, int]]]:
    """Return the values of all rows, and the places (row, column) of formulas."""
    sheet.reset_dimensions()  # some programs write a wrong size
    rows: Cells = []
    formulas = []
    for row, cells in enumerate(sheet.iter_rows()):
        kinds = [getattr(cell, "data_type", None) for cell in cells]
        formulas += [(row, place) for place, kind in enumerate(kinds) if kind == _FORMULA]
        rows.append(
            [
                None if kind == _ERROR or cell.value == "" else cell.value
                for cell, kind in zip(cells, kinds, strict=True)
            ]
        )
    return rows, formulas


def _by_column(rows: Cells, path: Path, sheet: str) -> dict[str, list[Any]]:
    if not rows:
        raise InputError(f"{path}: the sheet {sheet!r} is empty; it needs a row of names and rows")
    width = max(map(len, rows))
    columns = zip(*([*row, *[None] * (width - len(row))] for row in rows), strict=True)
    filled = [column for column in columns if any(value is not None for value in column)]
    names = column_names(["" if column[0] is None else str(column[0]) for column in filled])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FileFormatError(
            f"{path}, sheet {sheet!r}: the columns {twice} are there more than once; rename them"
        )
    return {name: list(column[1:]) for name, column in zip(names, filled, strict=True)}


def write_sheet(frame: pd.DataFrame, path: Path, target: Path, sheet_name: str) -> None:
    """Write a table as the only sheet of a workbook; texts stay texts, none becomes a formula.

    Whole numbers of more than 15 digits are written as texts, since Excel rounds them; lists and
    dictionaries in JSON, times with a zone in ISO 8601.

    Parameters
    ----------
    frame : DataFrame
    path : Path
        The file itself, such as a temporary one.
    target : Path
        What messages call it.
    sheet_name : str

    Raises
    ------
    InputError
        If a sheet cannot hold the table: too many rows or columns, a text that is too long, or a
        character that is not allowed.
    """
    from openpyxl import Workbook

    if len(frame) >= MAX_ROWS or frame.shape[1] > MAX_COLUMNS:
        raise InputError(
            f"{target}: a sheet holds {MAX_ROWS - 1} rows and {MAX_COLUMNS} columns at most, the "
            f"table has {len(frame)} and {frame.shape[1]}; write .csv or .parquet"
        )
    header = [_checked(str(name), target, "the header") for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    rows = [
        [_checked(_plain(value), target, f"row {number}") for value in values]
        for number, values in enumerate(zip(*columns, strict=True))
    ]
    book = Workbook(write_only=True)
    sheet = book.create_sheet(sheet_name)
    for values in [header, *rows]:
        sheet.append([_text_cell(sheet, v) if isinstance(v, str) else v for v in values])
    book.save(path)


def _checked(value: Any, target: Path, where: str) -> Any:
    """Return a value as it is; raise InputError if no cell can hold it."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_TEXT:
        raise InputError(
            f"{target}: {where} holds a text of {len(value)} characters, a cell holds {MAX_TEXT}; "
            "write .csv, .jsonl or .parquet"
        )
    if wrong := _NO_XML(value):
        raise InputError(
            f"{target}: {where} holds {wrong[0]!r}, a character that .xlsx cannot hold; write "
            ".csv, .jsonl or .parquet"
        )
    return value


def _text_cell(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # whatever it begins with
    return cell


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict | np.ndarray):
        return as_json(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return str(value)
    if isinstance(value, bytes) or getattr(value, "tzinfo", None) is not None:
        return str(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value
