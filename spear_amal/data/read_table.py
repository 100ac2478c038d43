"""Tables of the user: CSV, Parquet and JSON Lines, with errors that say what to do."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.io.atomic import refuse_existing, write_aside


def _read_csv(path: Path) -> pd.DataFrame:
    # Only an empty cell is missing: "NA" or "null" may be somebody's text.
    return pd.read_csv(path, encoding="utf-8-sig", keep_default_na=False, na_values=[""])


def _read_json_lines(path: Path) -> pd.DataFrame:
    # Not pandas' reader: it guesses dates and numbers, and does not say which line is broken.
    rows = []
    with open(path, encoding="utf-8-sig", newline="\n") as handle:
        for number, line in enumerate(handle, start=1):
            if line.strip():
                rows.append(_json_row(line, number))
    return pd.DataFrame(rows)


def _json_row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is no JSON object, but {type(row).__name__}")
    return row


def _read_parquet(path: Path) -> pd.DataFrame:
    _need_pyarrow(path)
    return pd.read_parquet(path, engine="pyarrow")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, encoding="utf-8")


def _write_json_lines(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path, orient="records", lines=True, force_ascii=False)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    _need_pyarrow(path)
    frame.to_parquet(path, engine="pyarrow", index=False)


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
    ".parquet": _write_parquet,
}


def read_table(path: PathLike) -> pd.DataFrame:
    """Read a table; its suffix says how: .csv, .jsonl (or .ndjson), .parquet.

    Text is UTF-8. In CSV only empty cells are missing values, "NA" is text.

    Returns
    -------
    DataFrame
        With an index 0 to n-1; at least one row.

    Raises
    ------
    InputError
        If there is no such file, its suffix is unknown or it has no rows.
    FileFormatError
        If the content is not what the suffix says.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    path = Path(path)
    reader = _by_suffix(path, _READERS)
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; it needs a header or rows")
    try:
        frame = reader(path)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except (ValueError, OSError) as error:
        raise FileFormatError(
            f"{path} cannot be read as {path.suffix}: {error}; is it truncated or of another kind?"
        ) from error
    if not len(frame):
        raise InputError(f"{path} has no rows, only columns {list(frame.columns)}")
    return frame.reset_index(drop=True)


def write_table(frame: pd.DataFrame, path: PathLike, overwrite: bool = False) -> None:
    """Write a table without its index; the suffix says how, as for :func:`read_table`.

    Written aside and renamed, so that a full disk leaves no half table.

    Raises
    ------
    OutputExistsError
        If the path exists and `overwrite` is False.
    InputError
        If the suffix is unknown.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    path = Path(path)
    writer = _by_suffix(path, _WRITERS)
    refuse_existing(path, overwrite)
    with write_aside(path) as temporary:
        writer(frame, temporary)


def require_columns(frame: pd.DataFrame, columns: Sequence[str], where: str = "the table") -> None:
    """Raise unless the table has all the columns.

    Raises
    ------
    InputError
        Names the missing columns and those there are.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {list(frame.columns)}"
        )


def _by_suffix(path: Path, table: dict[str, Any]) -> Any:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{path}: the suffix {path.suffix!r} is none of {', '.join(table)}; convert it"
        ) from None


def _need_pyarrow(path: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "parquet", f"the table {path}")
