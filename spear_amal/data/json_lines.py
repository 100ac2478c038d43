"""JSON Lines: one object a line, read and written without a guess at dates or numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from spear_amal.data.text_lines import line_error, numbered_lines
from spear_amal.errors import InputError


class _NumberText(str):
    """A number as it is written, such as 1.10."""


def read_objects(
    path: Path, as_cells: bool = False, encoding: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; blank lines are left out.

    Parameters
    ----------
    path : Path
    as_cells : bool
        Make strings of all values but null: numbers as they are written, lists and objects in JSON.
    encoding : str, optional
        As for :func:`~spear_amal.data.text_lines.numbered_lines`.

    Raises
    ------
    FileFormatError
        If a line is no object, names a key twice or holds half a character; names the line.
    """
    numbers: dict[str, Any] = (
        {"parse_float": _NumberText, "parse_int": _NumberText} if as_cells else {}
    )
    decode = json.JSONDecoder(object_pairs_hook=unique_keys, **numbers).decode
    for number, line in numbered_lines(path, encoding):
        if not line or line.isspace():
            continue
        try:
            row = decode(line)
            if "\\u" in line:  # only an escape can stand for half a character
                as_json(row).encode("utf-8")
        except RecursionError as error:
            raise line_error(path, number, "nested too deeply to be read") from error
        except UnicodeEncodeError as error:
            raise line_error(
                path, number, f"half a character ({error.object[error.start]!r}); repair the text"
            ) from error
        except ValueError as error:
            raise line_error(path, number, f"no JSON ({error})") from error
        if not isinstance(row, dict):
            raise line_error(path, number, f"no JSON object, but {type(row).__name__}")
        yield {name: _as_cell(value) for name, value in row.items()} if as_cells else row


def _as_cell(value: Any) -> str | None:
    return value if value is None else str(value) if isinstance(value, str) else _as_written(value)


def _as_written(value: Any) -> str:
    """Return JSON in which the numbers are those of the file."""
    if isinstance(value, _NumberText):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_as_written, value))}]"
    if isinstance(value, dict):
        pairs = (f"{as_json(name)}: {_as_written(item)}" for name, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return as_json(value)


def read_values(
    path: Path, as_cells: bool = False, encoding: str | None = None
) -> dict[str, list[Any]]:
    """Return the values of a file by column, None where a row has none.

    Raises
    ------
    FileFormatError
        As :func:`read_objects`.
    """
    columns: dict[str, list[Any]] = {}
    for n_rows, row in enumerate(read_objects(path, as_cells, encoding)):
        for name, value in row.items():
            if name not in columns:
                columns[name] = [None] * n_rows
            columns[name].append(value)
        if len(row) < len(columns):
            for name in columns.keys() - row.keys():
                columns[name].append(None)
    return columns


def write_values(frame: pd.DataFrame, handle: TextIO) -> None:
    """Write a table: one object a line, null for what is missing, dates as ISO 8601.

    Raises
    ------
    InputError
        If a row holds something that JSON cannot hold; names the row.
    """
    names = [str(name) for name in frame.columns]
    columns = [frame[name].tolist() for name in frame.columns]
    for row, values in enumerate(zip(*columns, strict=True)):
        cells = dict(zip(names, values, strict=True))
        handle.write(json_text(cells, f"row {row}", handle.encoding) + "\n")


def json_bytes(value: Any, what: str) -> bytes:
    """Return a value in JSON as UTF-8; otherwise as :func:`json_text`."""
    return json_text(value, what).encode()


def json_text(value: Any, what: str, encoding: str = "utf-8") -> str:
    """Return a value in JSON; what an encoding cannot hold, as half a character, is escaped.

    Raises
    ------
    InputError
        If it cannot be written in JSON; `what` names it in the message.
    """
    try:
        text = as_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} holds a value that JSON cannot hold: {error}") from error
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(json_value(value))
    return text


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def as_json(value: Any) -> str:
    """Return a value in JSON; a missing one is null, a date is in ISO 8601.

    Examples
    --------
    >>> as_json({"day": pd.Timestamp(2024, 1, 31), "n": float("nan"), "x": 0.1})
    '{"day": "2024-01-31T00:00:00", "n": null, "x": 0.1}'
    """
    return _encode(json_value(value))


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: arrays as lists, dates as texts, missing values as None."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return None if value != value else float(value)  # NumPy's is one too
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_value(value.tolist())
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, date | time):  # and datetime, and pandas' Timestamp
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of the pairs of a JSON object; the usual reader keeps the last of twins.

    Raises
    ------
    ValueError
        If a key is there twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"{names.most_common(1)[0][0]!r} is there twice in one object")
    return content
