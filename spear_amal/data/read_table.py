"""Tables of the user: CSV, TSV, Excel, Parquet and JSON Lines, with errors that say what to do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from spear_amal._typing import PathLike
from spear_amal.data.column_types import column_of_cells, column_of_values, stack_frames
from spear_amal.data.delimited import read_cells
from spear_amal.data.excel import read_sheet
from spear_amal.data.id_column import ID_COLUMN, column_of_ids
from spear_amal.data.json_lines import read_values
from spear_amal.data.separators import separator_of
from spear_amal.data.table_kinds import EXCEL, PARQUET, is_delimited, need_package, suffix_of
from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.class_set import is_listed


@dataclass(frozen=True)
class ColumnRoles:
    """Columns whose cells are more than what they look like.

    Attributes
    ----------
    text, label : str or None
    id : str
    """

    text: str | None = None
    label: str | None = None
    id: str = ID_COLUMN

    def of_cells(self, name: str, cells: list[str]) -> pd.Series:
        """Return a column from its cells in a text file."""
        if name == self.text:
            return pd.Series(cells)
        if name == self.label:
            return column_of_values([cell or None for cell in cells])
        return column_of_ids(cells) if name == self.id else column_of_cells(cells)


@dataclass(frozen=True)
class Layout:
    """How files are to be read where they do not tell; None is found from the file.

    Attributes
    ----------
    sep : str or None
        Between the cells of .csv and .tsv.
    encoding : str or None
        Of text files.
    sheet : str or None
        Of .xlsx.
    """

    sep: str | None = None
    encoding: str | None = None
    sheet: str | None = None


def read_table(
    path: PathLike | Sequence[PathLike],
    text_column: str | None = None,
    label_column: str | None = None,
    *,
    id_column: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> pd.DataFrame:
    """Read a table; its suffix says how: .csv, .tsv, .jsonl (or .ndjson), .parquet, .xlsx.

    Text files may be compressed (.csv.gz, ..). In CSV and TSV only empty cells are missing values
    ("NA" is text), and the type of a column is that of all its cells: whole numbers, numbers, true
    and false, or texts.

    Parameters
    ----------
    path : path or sequence of paths
        Several files are one table: rows one below the other, and a column that only some of
        them have is missing in the rows of the others.
    text_column : str, optional
        Column that must be there, and is made of strings: cells as they are, "" where there is
        none.
    label_column : str, optional
        Column, if it is there, whose cells in CSV and TSV stay text: true is no True, and 1.10 is
        another class than 1.1.
    id_column : str, optional
        Column, if it is there, whose cells in CSV and TSV stay text unless all of them are whole
        numbers: 1.10 and 1e5 are ids. Default: ``id``. :func:`~spear_amal.data.ids_of` checks them.
    sep : str, optional
        What stands between the cells of .csv and .tsv: a character, or comma, semicolon, tab or
        pipe. Default: tab in .tsv, in .csv whichever of the four the header shows.
    encoding : str, optional
        Of text files, such as cp1252. Default: UTF-8, or what the mark (BOM) of the file says.
    sheet : str, optional
        Of .xlsx. Default: the first one.

    Returns
    -------
    DataFrame
        With an index 0 to n-1; at least one row.

    Raises
    ------
    InputError
        If there is no such file, its suffix is unknown, it has no rows, no such column of texts or
        no such sheet, or if several separators fit.
    FileFormatError
        If the content is not what the suffix says; names the line of a text file.
    MissingExtraError
        If a package that the kind of file needs is not installed.

    Warns
    -----
    UserWarning
        If .xlsx has several sheets and none was named.
    """
    files = _files(path)
    columns = ColumnRoles(text_column, label_column, id_column or ID_COLUMN)
    layout = Layout(sep, encoding, sheet)
    if all(map(is_delimited, files)):
        return _read_delimited(files, columns, layout)
    return stack_frames([_read_file(file, columns, layout) for file in files])


def _files(path: Any) -> list[Path]:
    paths = [path] if isinstance(path, str | os.PathLike) else path
    listed = list(paths) if is_listed(paths) else []
    if not listed or not all(isinstance(one, str | os.PathLike) for one in listed):
        raise InputError(f"needed is the path of a table, or a list of some, found {path!r:.99}")
    return [Path(one) for one in listed]


def _read_delimited(files: Sequence[Path], columns: ColumnRoles, layout: Layout) -> pd.DataFrame:
    # The cells of all files, since one of them may hold the word among numbers.
    cells: dict[str, list[str]] = {}
    n_rows = 0
    for file in files:
        new = cells_of(file, layout)
        _check_rows(file, new, columns.text)
        n_more = len(next(iter(new.values())))
        for name in cells | new:
            column = cells.setdefault(name, [""] * n_rows)
            column.extend(new.get(name) or [""] * n_more)
        n_rows += n_more
    # What is converted is let go, so that a table is not held twice.
    return pd.DataFrame({name: columns.of_cells(name, cells.pop(name)) for name in list(cells)})


def cells_of(path: Path, layout: Layout) -> dict[str, list[str]]:
    """Return the cells of a CSV or TSV file by column, as they are.

    Raises
    ------
    InputError, FileFormatError
        As for :func:`read_table`.
    """
    _check_is_file(path)
    return read_cells(path, separator_of(path, layout.sep, layout.encoding), layout.encoding)


def _read_file(path: Path, columns: ColumnRoles, layout: Layout) -> pd.DataFrame:
    if is_delimited(path):
        return _read_delimited([path], columns, layout)
    frame = read_typed(path, layout)
    _check_rows(path, frame, columns.text)
    if columns.text is not None:
        frame[columns.text] = _as_texts(frame[columns.text], path)
    return frame


def read_typed(path: Path, layout: Layout, as_cells: bool = False) -> pd.DataFrame:
    """Read a file of a kind that knows types: Parquet, Excel, or JSON Lines (its values as cells).

    Raises
    ------
    InputError, FileFormatError, MissingExtraError
        As for :func:`read_table`.
    """
    _check_is_file(path)
    suffix = suffix_of(path)
    if suffix in PARQUET:
        return _read_parquet(path)
    if suffix in EXCEL:
        need_package(path)
        values = read_sheet(path, layout.sheet)
    else:
        values = read_values(path, as_cells, layout.encoding)
    return pd.DataFrame({name: column_of_values(values.pop(name)) for name in list(values)})


def _read_parquet(path: Path) -> pd.DataFrame:
    return frame_of_arrow(read_arrow(path))


def frame_of_arrow(table: Any) -> pd.DataFrame:
    """Return a table of Arrow as :func:`read_table` returns one, with an index 0 to n-1."""
    # Whole numbers beside missing ones would become floats.
    frame = table.to_pandas(integer_object_nulls=True)
    for name in frame:
        if is_object_dtype(frame[name]):
            frame[name] = column_of_values(frame[name].tolist())
    return frame.reset_index(drop=True)


def read_arrow(path: Path) -> Any:
    """Read a Parquet file as a table of Arrow.

    Raises
    ------
    FileFormatError
        If it is none, or names a column twice.
    MissingExtraError
        If pyarrow is not installed.
    """
    need_package(path)
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (ValueError, OSError) as error:
        raise FileFormatError(
            f"{path} cannot be read as .parquet: {error}; is it truncated or of another kind?"
        ) from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(f"{path}: the columns {twice} are there more than once; rename them")
    check_cells(path, table)
    return table


def check_cells(path: Path, table: Any) -> None:
    """Check that every value is one of its type.

    Raises
    ------
    FileFormatError
        If one is not; names the first such row.
    """
    for name in table.column_names:
        column = table.column(name)
        if not (fault := _fault(column)):
            continue
        row, stop = 0, len(column)  # the fault is in row..stop-1
        while stop - row > 1:
            middle = (row + stop) // 2
            row, stop = (row, middle) if _fault(column[row:middle]) else (middle, stop)
        raise FileFormatError(
            f"{path}: row {row} (counted from 0) holds a damaged value in the column {name!r}, "
            f"such as half a character ({fault}); repair it"
        )


def _fault(column: Any) -> str:
    """Return in Arrow's words what is wrong with a column; empty if nothing is."""
    try:
        column.validate(full=True)
    except ValueError as error:  # Arrow's own is such an error
        return str(error)
    return ""


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; it needs a header or rows")


def _check_rows(
    path: Path, table: Mapping[str, Any] | pd.DataFrame, text_column: str | None
) -> None:
    """Raise unless a table has rows and, if one is named, the column of texts."""
    names = list(table)
    if not names or not len(table[names[0]]):
        raise InputError(f"{path} has no rows, only columns {names}")
    if text_column is not None:
        require_columns(table, [text_column], str(path))


def _as_texts(values: pd.Series, path: Path) -> pd.Series:
    """Return a column as strings, "" for a missing one; numbers and dates are written out."""
    listed = ["" if gone else value for value, gone in zip(values, values.isna(), strict=True)]
    for row, value in enumerate(listed):
        if isinstance(value, bytes | list | dict | np.ndarray):
            raise InputError(
                f"{path}: row {row} (counted from 0) holds {type(value).__name__} in the column "
                f"{values.name!r}, which should hold texts; convert it"
            )
    return pd.Series([value if type(value) is str else str(value) for value in listed])


def require_columns(
    table: Mapping[str, Any] | pd.DataFrame, columns: Sequence[str], where: str = "the table"
) -> None:
    """Raise unless the table has all the columns.

    Raises
    ------
    InputError
        Names the missing columns and those there are, or a column that is there twice.
    """
    if isinstance(columns, str | bytes) or not is_listed(columns):
        raise InputError(f"columns must be a list of names, found {columns!r}")
    known = dict.fromkeys(table)  # asked by hash: NA is equal to nothing, and a list has none
    missing = [one for one in columns if not isinstance(one, Hashable) or one not in known]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {list(known)}"
        )
    counts = Counter(iter(table))
    twice = [one for one in columns if counts[one] > 1]
    if twice:
        raise InputError(f"{where} has {counts[twice[0]]} columns {twice[0]!r}; rename all but one")
