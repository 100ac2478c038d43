"""The file of a study: one JSON row for each run, written at once, so that a kill loses little."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside
from spear_amal.label_models import LabelModel
from spear_amal.mixers import Mixer

FORMAT = 1
IDENTITY = ("corpus", "method", "seed", "metric", "features", "protocol", "labels", "config")
NEEDED = (*IDENTITY, "score", "val_score", "seconds")

Row = dict[str, Any]


class StudyFile:
    """Rows and tuning records of a study, on disk after every change.

    Parameters
    ----------
    path : path, optional
        A file that is there is continued. None: in memory only.

    Attributes
    ----------
    rows, tuning : list of dict
        Finished runs, and what tuning found.

    Raises
    ------
    FileFormatError
        If the file is no study file; it is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.rows: list[Row] = []
        self.tuning: list[Row] = []
        self._seen: tuple[int, int] | None = None  # stamp of the file as we know it
        self._catch_up()

    def add(self, row: Row) -> None:
        """Put a run in; an earlier one of the same identity (a failed one) goes."""
        self._catch_up()
        held = plain_json(row)
        key = identity(held)
        self.rows = [*(one for one in self.rows if identity(one) != key), held]
        self._write()

    def add_tuning(self, record: Row) -> None:
        """Put a tuning record in, in place of an earlier one with the same "key"."""
        self._catch_up()
        held = plain_json(record)
        self.tuning = [*(one for one in self.tuning if one["key"] != held["key"]), held]
        self._write()

    def finished(self) -> dict[str, Row]:
        """Rows of runs that ended well, by :func:`identity`."""
        return {identity(row): row for row in self.rows if row.get("error") is None}

    def _catch_up(self) -> None:
        """Read the file if another process (or an earlier one) wrote it."""
        if self.path is None or not self.path.exists() or _stamp(self.path) == self._seen:
            return
        self._seen = _stamp(self.path)
        content = read_content(self.path)
        self.rows, self.tuning = content["rows"], content["tuning"]

    def _write(self) -> None:
        if self.path is None:
            return
        lists = ((name, getattr(self, name)) for name in ("rows", "tuning"))
        body = ",\n".join(f' "{name}": [{_lines(held)}]' for name, held in lists)
        with write_aside(self.path) as temporary:
            temporary.write_text(f'{{"format": {FORMAT},\n{body}}}\n', encoding="utf-8")
        self._seen = _stamp(self.path)


def identity(row: Row) -> str:
    """Tell runs apart: corpus, method, seed, metric, features, protocol, labels and settings.

    Examples
    --------
    >>> a = {"corpus": "sms", "method": "spear", "seed": 3, "config": {"version": "0.1"}}
    >>> identity(a) == identity({**a, "score": 0.9}), identity(a) == identity({**a, "seed": 4})
    (True, False)
    """
    return json.dumps([row.get(name) for name in IDENTITY], sort_keys=True)


def read_content(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a study file: "format", "rows" and "tuning".

    Raises
    ------
    FileFormatError
        If it is no study file, is damaged, or of a newer format.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FileFormatError(f"{path} is no study file or is damaged ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        raise FileFormatError(f"{path} is no study file; choose another name for the output")
    if content.get("format") != FORMAT:
        raise FileFormatError(
            f"{path} has the format {content.get('format')!r}, this version reads {FORMAT}"
        )
    content.setdefault("tuning", [])
    for number, row in enumerate(content["rows"]):
        missing = [name for name in NEEDED if not isinstance(row, dict) or name not in row]
        if missing:
            raise FileFormatError(f"{path}: row {number} lacks {', '.join(missing)}")
    if not all(isinstance(one, dict) and "key" in one for one in content["tuning"]):
        raise FileFormatError(f"{path}: a tuning record lacks its key")
    return content


def plain_json(value: Any) -> Any:
    """Turn a value into what JSON holds; not-a-number becomes None.

    Mixers and label models become their name and settings, so that other settings are another
    run; other objects become their names.

    Examples
    --------
    >>> plain({"a": (np.int64(3), float("nan")), 2: np.float32(0.5), "model": StudyFile})
    {'a': [3, None], '2': 0.5, 'model': 'StudyFile'}
    """
    if isinstance(value, Mixer):
        return plain_json(value.summary())
    if isinstance(value, LabelModel):
        return plain_json({"label_model": type(value).__name__, **value.get_params(deep=False)})
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    if isinstance(value, np.generic):
        return plain_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, str | int | float):
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)


def _lines(held: list[Row]) -> str:
    """One row a line, so that files can be compared line by line."""
    rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in held)
    text = ",\n  ".join(rows)
    return f"\n  {text}\n " if text else ""


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino
