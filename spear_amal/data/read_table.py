"""Tables of the user: CSV, TSV, Parquet and JSON Lines, with errors that say what to do."""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype, is_object_dtype

from spear_amal._typing import PathLike
from spear_amal.data.column_types import column_of_cells, column_of_values, stack_frames
from spear_amal.data.delimited import DELIMITERS, delimiter_of, read_cells
from spear_amal.data.json_lines import as_json, read_values, write_values
from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.votes.class_set import is_listed

JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet",)
_SUFFIXES = (*DELIMITERS, *JSON_LINES, *PARQUET)


def read_table(
    path: PathLike | Sequence[PathLike],
    text_column: str | None = None,
    label_column: str | None = None,
) -> pd.DataFrame:
    """Read a table; its suffix says how: .csv, .tsv, .jsonl (or .ndjson), .parquet.

    Text is UTF-8. In CSV and TSV only empty cells are missing values ("NA" is text), and the type
    of a column is that of all its cells: whole numbers, numbers, true and false, or texts.

    Parameters
    ----------
    path : path or sequence of paths
        Several files are one table: rows one below the other, and a column that only some of
        them have is missing in the rows of the others.
    text_column : str, optional
        Column that must be there and complete, and is made of strings: cells as they are.
    label_column : str, optional
        Column, if it is there, whose cells in CSV and TSV stay text: true is no True, and 1.10 is
        another class than 1.1.

    Returns
    -------
    DataFrame
        With an index 0 to n-1; at least one row.

    Raises
    ------
    InputError
        If there is no such file, its suffix is unknown, it has no rows, or a row has no text.
    FileFormatError
        If the content is not what the suffix says; names the line of a text file.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    files = _files(path)
    if not {suffix_of(file) for file in files} <= DELIMITERS.keys():
        return stack_frames([_read_typed(file, text_column, label_column) for file in files])
    # The cells of all files, since one of them may hold the word among numbers.
    columns: dict[str, list[str]] = {}
    n_rows = 0
    for file in files:
        _check_is_file(file)
        cells = read_cells(file)
        _check_rows(file, cells, text_column)
        n_more = len(next(iter(cells.values())))
        for name in columns | cells:
            column = columns.setdefault(name, [""] * n_rows)
            column.extend(cells.get(name) or [""] * n_more)
        n_rows += n_more
    return pd.DataFrame(
        {
            # What is converted is let go, so that a table is not held twice.
            name: column_of_values([cell or None for cell in columns.pop(name)])
            if name in (text_column, label_column)
            else column_of_cells(columns.pop(name))
            for name in list(columns)
        }
    )


def _files(path: Any) -> list[Path]:
    paths = [path] if isinstance(path, str | os.PathLike) else path
    listed = list(paths) if is_listed(paths) else []
    if not listed or not all(isinstance(one, str | os.PathLike) for one in listed):
        raise InputError(f"needed is the path of a table, or a list of some, found {path!r:.99}")
    return [Path(one) for one in listed]


def _read_typed(path: Path, text_column: str | None, label_column: str | None) -> pd.DataFrame:
    if suffix_of(path) in DELIMITERS:
        return read_table(path, text_column, label_column)
    frame = read_typed(path)
    _check_rows(path, frame, text_column)
    if text_column is not None:
        frame[text_column] = _as_texts(frame[text_column], path)
    return frame


def read_typed(path: Path, as_cells: bool = False) -> pd.DataFrame:
    """Read a file of a kind that knows types: JSON Lines (or its values as cells) or Parquet.

    Raises
    ------
    InputError, FileFormatError, MissingExtraError
        As for :func:`read_table`.
    """
    _check_is_file(path)
    if suffix_of(path) in PARQUET:
        return _read_parquet(path)
    columns = read_values(path, as_cells)
    return pd.DataFrame({name: column_of_values(columns.pop(name)) for name in list(columns)})


def _read_parquet(path: Path) -> pd.DataFrame:
    table = read_arrow(path)
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
    _need_pyarrow(path)
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
    return table


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; it needs a header or rows")


def _check_rows(
    path: Path, table: Mapping[str, Any] | pd.DataFrame, text_column: str | None
) -> None:
    """Raise unless a table has rows and, if a column of texts is named, a text in each."""
    names = list(table)
    n_rows = len(table[names[0]]) if names else 0
    if not n_rows:
        raise InputError(f"{path} has no rows, only columns {names}")
    if text_column is None:
        return
    require_columns(table, [text_column], str(path))
    texts = table[text_column]
    missing = np.flatnonzero(
        [not text for text in texts] if isinstance(texts, list) else texts.isna()
    )
    if len(missing):
        raise InputError(
            f"{path}: row {missing[0]} (counted from 0) has no {text_column!r}, as have "
            f"{len(missing)} of {n_rows} rows; fill or drop them"
        )


def _as_texts(values: pd.Series, path: Path) -> pd.Series:
    """Return a column as strings; numbers and dates are written out, other things are refused."""
    listed = values.tolist()
    for row, value in enumerate(listed):
        if isinstance(value, bytes | list | dict | np.ndarray):
            raise InputError(
                f"{path}: row {row} (counted from 0) holds {type(value).__name__} in the column "
                f"{values.name!r}, which should hold texts; convert it"
            )
    return pd.Series([str(value) for value in listed])


def write_table(frame: pd.DataFrame, path: PathLike, overwrite: bool = False) -> None:
    """Write a table without its index; the suffix says how, as for :func:`read_table`.

    Written aside and renamed, so that a full disk leaves no half table.

    Raises
    ------
    OutputExistsError
        If the path exists and `overwrite` is False.
    InputError
        If the suffix is unknown, or Parquet has no type for what a column holds.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"needed is a DataFrame to write, found {type(frame).__name__}")
    path = Path(path)
    suffix = suffix_of(path)
    if suffix in PARQUET:
        _need_pyarrow(path)
    refuse_existing(path, overwrite)
    with write_aside(path) as temporary:
        try:
            if suffix in DELIMITERS:
                _write_delimited(frame, temporary)
            elif suffix in JSON_LINES:
                write_values(frame, temporary)
            else:
                _write_parquet(frame, temporary, path)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path}: {error.object[error.start : error.end]!r} is half of a character, which "
                "UTF-8 cannot hold; mend the text"
            ) from error


def _write_delimited(frame: pd.DataFrame, path: Path) -> None:
    texts = {name: column for name, column in frame.items() if not _is_plain(column)}
    nested = {
        name: column.map(_as_cell) for name, column in texts.items() if is_object_dtype(column)
    }
    # Programs take a carriage return outside quotes for the end of a row.
    has_return = any("\r" in str(cell) for cells in (frame, *texts.values()) for cell in cells)
    frame.assign(**nested).to_csv(
        path,
        sep=delimiter_of(path),
        index=False,
        encoding="utf-8",
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL,
    )


def _is_plain(column: pd.Series) -> bool:
    return is_numeric_dtype(column) or is_datetime64_any_dtype(column)


def _as_cell(value: Any) -> Any:
    return as_json(value) if isinstance(value, list | dict | np.ndarray) else value


def _write_parquet(frame: pd.DataFrame, temporary: Path, path: Path) -> None:
    try:
        frame.to_parquet(temporary, engine="pyarrow", index=False)
    except UnicodeEncodeError:
        raise  # told by the caller
    except (ValueError, TypeError, OverflowError) as error:  # those of Arrow are such errors
        raise InputError(
            f"{path}: Parquet has no type for a column ({error}); write .jsonl, or mend the column"
        ) from error


def require_columns(
    table: Mapping[str, Any] | pd.DataFrame, columns: Sequence[str], where: str = "the table"
) -> None:
    """Raise unless the table has all the columns.

    Raises
    ------
    InputError
        Names the missing columns and those there are.
    """
    if isinstance(columns, str | bytes) or not is_listed(columns):
        raise InputError(f"columns must be a list of names, found {columns!r}")
    known = dict.fromkeys(table)  # asked by hash: NA is equal to nothing, and a list has none
    missing = [one for one in columns if not isinstance(one, Hashable) or one not in known]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {list(known)}"
        )


def suffix_of(path: Path) -> str:
    """Return the suffix, in small letters, of a kind of table that is known.

    Raises
    ------
    InputError
        If it is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"{path}: the suffix {path.suffix!r} is none of {', '.join(_SUFFIXES)}; convert it"
        )
    return suffix


def _need_pyarrow(path: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "parquet", f"the table {path}")
