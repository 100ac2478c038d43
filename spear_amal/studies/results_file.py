"""The file of a study: one JSON row for each run, written at once, so that a kill loses little."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import DIGEST, check_json_digest, guarded_reading, json_digest
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.io.locks import exclusive

FORMAT = 1
IDENTITY = ("corpus", "method", "seed", "metric", "features", "protocol", "labels", "config")
# Fields that every row of a table has.
NEEDED = {
    "rows": (*IDENTITY, "score", "val_score", "seconds"),
    "tuning": (*IDENTITY, "chosen", "score", "trials"),
}
# What fields may hold, where a row has them.
TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("corpus", "method", "title", "metric"), str),
    **dict.fromkeys(("score", "val_score", "seconds", "seed"), (Real, NoneType)),
    **dict.fromkeys(("error", "features", "protocol", "build", "path"), (str, NoneType)),
    **dict.fromkeys(("config", "chosen", "space"), (dict, NoneType)),
    **dict.fromkeys(("warnings",), (list, NoneType)),
}
# Protocols of comparisons on one partly labelled table, whose rows are folds and no seeds.
IN_FOLDS, ON_TEST = "outer folds", "test table"
LABEL_DRAWS = "draws of labels"
# Options by the names that they have in older files -> their names now, so that runs of those
# files are found again.
RENAMED = {
    "eta_look": "lookahead_lr",
    "final": "fit_strategy",
    "labels": "label_set",
    "rho": "weight_lr",
    "share": "weight_sharing",
}

RunRow = dict[str, Any]


class StudyFile:
    """Rows and tuning records of a study, on disk after every change.

    Parameters
    ----------
    path : path, optional
        A file that is there is continued. None: in memory only.

    Raises
    ------
    FileFormatError
        If the file is no study file; it is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._tables: dict[str, dict[str, RunRow]] = {table: {} for table in NEEDED}
        self._stamp: tuple[int, int] | None = None  # of the file as we know it
        if self.path is not None:
            remove_leftovers(self.path.parent)
        with self._alone():
            self._catch_up()

    @property
    def rows(self) -> list[RunRow]:
        """Rows of the runs, the latest last."""
        return list(self._tables["rows"].values())

    @property
    def tuning(self) -> list[RunRow]:
        """Records of what tuning chose."""
        return list(self._tables["tuning"].values())

    def add(self, row: RunRow, table: str = "rows") -> None:
        """Add a row, in place of an earlier one of the same identity (a failed run).

        Rows that other processes add to the same file meanwhile are kept.
        """
        plain = plain_json(row)
        with self._alone():
            self._catch_up()
            self._tables[table].pop(identity(plain), None)
            self._tables[table][identity(plain)] = plain
            self._write()

    def by_identity(self, table: str = "rows") -> dict[str, RunRow]:
        """Return the rows of a table by :func:`identity`."""
        return dict(self._tables[table])

    def finished(self, table: str = "rows") -> dict[str, RunRow]:
        """Return the rows of runs that ended well by :func:`identity`."""
        return {k: row for k, row in self._tables[table].items() if row.get("error") is None}

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other processes from reading and changing the file meanwhile."""
        return nullcontext() if self.path is None else exclusive(self.path)

    def _catch_up(self) -> None:
        """Read the file if another process (or an earlier one) wrote it."""
        if self.path is None or not self.path.exists() or _stamp(self.path) == self._stamp:
            return
        self._stamp = _stamp(self.path)
        content = read_content(self.path)
        self._tables = {table: {identity(row): row for row in content[table]} for table in NEEDED}

    def _write(self) -> None:
        if self.path is None:
            return
        tables = self._tables.items()
        body = ",\n".join(f' "{name}": [{_lines(rows.values())}]' for name, rows in tables)
        content = {name: list(rows.values()) for name, rows in tables}
        digest = json_digest({"format": FORMAT, **content})
        with write_aside(self.path) as temporary:
            head = f'{{"format": {FORMAT}, "{DIGEST}": "{digest}"'
            temporary.write_text(f"{head},\n{body}}}\n", encoding="utf-8")
        self._stamp = _stamp(self.path)


def identity(row: RunRow) -> str:
    """Return what tells runs apart: corpus, method, seed, metric, features, protocol, settings.

    Examples
    --------
    >>> a = {"corpus": "sms", "method": "spear", "seed": 3, "config": {"version": "0.1"}}
    >>> identity(a) == identity({**a, "score": 0.9}), identity(a) == identity({**a, "seed": 4})
    (True, False)
    """
    return json.dumps([row.get(name) for name in IDENTITY], sort_keys=True)


def read_content(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a study file: "format", "rows" and "tuning", options by their present names.

    Raises
    ------
    FileFormatError
        If it is no study file, is damaged, or of a newer format.
    """
    path = Path(path)
    with guarded_reading(path, "a study file", "choose another name for the output"):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["rows"], list):
            raise ValueError("its rows are no list")
        if content.get("format") != FORMAT:
            raise FileFormatError(
                f"{path} has the format {content.get('format')!r}, this version reads {FORMAT}"
            )
        check_json_digest(content)
        for table in NEEDED:
            for number, row in enumerate(content.setdefault(table, [])):
                kind = "row" if table == "rows" else "tuning record"
                _check_row(row, table, f"{path}: {kind} {number}")
            content[table] = [_with_present_names(row) for row in content[table]]
        return content


def _check_row(row: Any, table: str, where: str) -> None:
    """Raise FileFormatError for a row without a field that it needs, or with one of another type.

    Fields that only some studies have are not looked at.
    """
    missing = [name for name in NEEDED[table] if not isinstance(row, dict) or name not in row]
    if missing:
        raise FileFormatError(f"{where} lacks {', '.join(missing)}")
    for name, value in row.items():
        kinds = TYPES.get(name)
        if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise FileFormatError(f"{where} has {value!r} as its {name}")


def _with_present_names(row: RunRow) -> RunRow:
    """Return a row in which methods and options have their present names, in texts as well."""
    if _was_recommended(row):
        row = row | {"method": re.sub("^recommended", "amal-folds", row["method"])}
        if "title" in row:
            row["title"] = row["title"].replace("AMAL recommended", "AMAL + rules")
    words = {name: _renamed_text(row[name]) for name in ("method", "title") if name in row}
    options = {
        name: _renamed_options(row[name])
        for name in ("config", "chosen", "space", "trials")
        if name in row
    }
    return row | words | options


def _was_recommended(row: RunRow) -> bool:
    """Return whether a row is of AMAL in folds under the name that the pool has today.

    That had a mixer and a way of inference of itself; the pool has those that it was asked for.
    """
    options = (row.get("config") or {}).get("options") or {}
    name, _, asked = row["method"].partition(":")
    unasked = {"mixer", "inference"} - {pair.partition("=")[0] for pair in asked.split(",")}
    return name == "recommended" and bool(unasked & set(options))


def _renamed_text(text: str) -> str:
    """Rename the options of a method's text or title; those of a text stay in order.

    Examples
    --------
    >>> _renamed_text("amal:rho=30,validation=split"), _renamed_text("AMAL, 3 folds, rho=30")
    ('amal:validation=split,weight_lr=30', 'AMAL, 3 folds, weight_lr=30')
    """
    renamed = re.sub(rf"\b({'|'.join(RENAMED)})=", lambda old: f"{RENAMED[old[1]]}=", text)
    name, colon, options = renamed.partition(":")
    if renamed == text or not colon:
        return renamed
    return f"{name}:{','.join(sorted(options.split(','), key=lambda pair: pair.split('=')[0]))}"


def _renamed_options(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed_options(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for name, item in value.items():
        # The share of rows in a coreset is a number, and no way to share weights.
        is_old = name in RENAMED and not (name == "share" and isinstance(item, float))
        renamed[RENAMED[name] if is_old else name] = _renamed_options(item)
    return renamed


def plain_json(value: Any) -> Any:
    """Turn a value into what JSON holds; not-a-number becomes None.

    Mixers and label models become their name and settings, so that other settings are another
    run; other objects become their names.

    Examples
    --------
    >>> plain_json({"a": (np.int64(3), float("nan")), 2: np.float32(0.5), "model": StudyFile})
    {'a': [3, None], '2': 0.5, 'model': 'StudyFile'}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain_json(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return _object_as_json(value)


def _object_as_json(value: Any) -> Any:
    # Imported here, since they import torch, and stored rows are read without them.
    from spear_amal.label_models import LabelModel
    from spear_amal.mixers import Mixer

    if isinstance(value, Mixer):
        return plain_json(value.summary())
    if isinstance(value, LabelModel):
        return plain_json({"label_model": type(value).__name__, **value.get_params(deep=False)})
    return getattr(value, "__qualname__", type(value).__qualname__)


def _lines(rows: Iterable[RunRow]) -> str:
    """Return one row a line, so that files can be compared line by line."""
    text = ",\n  ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return f"\n  {text}\n " if text else ""


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino
