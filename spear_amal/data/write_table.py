"""Tables written: CSV, TSV, Excel, Parquet and JSON Lines, each aside first."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype, is_object_dtype

from spear_amal._typing import PathLike
from spear_amal.data.excel import write_sheet
from spear_amal.data.json_lines import as_json, write_values
from spear_amal.data.separators import COMMA, TAB, named_separator
from spear_amal.data.table_kinds import DELIMITED, EXCEL, PARQUET, need_package, suffix_of
from spear_amal.data.text_lines import encoding_to_write, open_to_write, unwritable
from spear_amal.errors import InputError
from spear_amal.hf_datasets import as_frame
from spear_amal.io.atomic import refuse_existing, write_aside


def write_table(
    frame: pd.DataFrame,
    path: PathLike,
    overwrite: bool = False,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> None:
    """Write a table without its index; the suffix says how, as for :func:`read_table`.

    Written aside and renamed, so that a full disk leaves no half table.

    Parameters
    ----------
    frame : DataFrame
    path : path
    overwrite : bool, default=False
    sep : str, optional
        What stands between the cells of .csv and .tsv: a character, or comma, semicolon, tab or
        pipe. Default: comma, and tab in .tsv.
    encoding : str, default="utf-8"
        Of text files.
    sheet : str, default="rows"
        Name of the sheet of .xlsx.

    Raises
    ------
    OutputExistsError
        If the path exists and `overwrite` is False.
    InputError
        If the suffix is unknown, or the kind of file cannot hold what a column holds.
    MissingExtraError
        If a package that the kind of file needs is not installed.
    """
    frame = as_frame(frame)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"needed is a DataFrame to write, found {type(frame).__name__}")
    path = Path(path)
    suffix = suffix_of(path)
    need_package(path)
    separator = TAB if suffix == ".tsv" else COMMA
    separator = separator if sep is None else named_separator(sep)
    written_as = encoding_to_write(encoding)
    refuse_existing(path, overwrite)
    with write_aside(path) as temporary:
        if suffix in PARQUET:
            _write_parquet(frame, temporary, path)
        elif suffix in EXCEL:
            write_sheet(frame, temporary, path, sheet or "rows")
        else:
            with open_to_write(temporary, path, written_as) as handle:
                if suffix in DELIMITED:
                    _write_delimited(frame, handle, separator)
                else:
                    write_values(frame, handle)


def _write_delimited(frame: pd.DataFrame, handle: TextIO, sep: str) -> None:
    texts = {name: column for name, column in frame.items() if not _is_plain(column)}
    nested = {
        name: column.map(_as_cell) for name, column in texts.items() if is_object_dtype(column)
    }
    # Programs take a carriage return outside quotes for the end of a row.
    has_return = any("\r" in str(cell) for cells in (frame, *texts.values()) for cell in cells)
    frame.assign(**nested).to_csv(
        handle,
        sep=sep,
        index=False,
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
    except UnicodeEncodeError as error:
        raise unwritable(path, error) from error
    except (ValueError, TypeError, OverflowError) as error:  # those of Arrow are such errors
        raise InputError(
            f"{path}: Parquet has no type for a column ({error}); write .jsonl, or mend the column"
        ) from error
