"""Files of teacher outputs, by row id; nothing in them is unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import MatrixLike, PathLike, VectorLike
from spear_amal.data.read_table import read_table, require_columns
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.atomic import refuse_existing
from spear_amal.io.guard import guarded_reading
from spear_amal.teachers.arrays import as_numbers, as_teacher_ids, distinct, look_up
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.class_columns import KINDS, check_classes, check_values, from_kind

FORMAT = 1
MARK = "teacher outputs"
_GUARD = ("a file of teacher outputs", "write it again with save_teacher_outputs")


@dataclass(frozen=True)
class StoredOutputs:
    """What a file of teacher outputs holds."""

    row_ids: np.ndarray
    values: np.ndarray
    classes: list[Any]
    kind: str | None
    name: str | None = None


def save_teacher_outputs(
    path: PathLike,
    row_ids: VectorLike,
    logits: MatrixLike,
    classes: VectorLike,
    *,
    name: str = "teacher",
    kind: str = "logits",
    overwrite: bool = False,
) -> None:
    """Write a teacher's outputs into one ``.npz``, without pickle.

    Parameters
    ----------
    path : path
        Must end in ``.npz``.
    row_ids : sequence of int or str (n,)
    logits : array (n, C)
        Logits, or probabilities if `kind` says so. A row of NaN: the teacher says nothing.
    classes : sequence of int or str (C,)
        Classes of the columns.
    kind : {"logits", "probabilities"}

    Raises
    ------
    InputError
        If the outputs cannot be learnt from: see :class:`TeacherFile`.
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise InputError(f"teacher outputs are written as .npz, found {path.name!r}")
    refuse_existing(path, overwrite)
    values, ids, labels = as_numbers(logits), as_teacher_ids(row_ids), check_classes(classes)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"kind must be 'logits' or 'probabilities', found {kind!r}")
    if values.shape != (len(ids), len(labels)):
        raise InputError(
            f"outputs have shape {values.shape}, but there are {len(ids)} row ids and "
            f"{len(labels)} classes"
        )
    ids, values = distinct(ids, values)
    with np.errstate(over="ignore"):  # what is no longer finite in single precision is refused
        stored = values.astype(np.float32)
        check_values(from_kind(values, kind).astype(np.float32), silent=True)
    about = {"mark": MARK, "format": FORMAT, "name": name, "kind": kind, "classes": labels}
    meta = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    write_arrays(path, {"meta": meta, "row_ids": ids, "values": stored})


class TeacherFile(Teacher):
    """Outputs in a file, looked up by row id; rows of the file that are not asked for are ignored.

    Parameters
    ----------
    path : path
        ``.npz`` by :func:`save_teacher_outputs`, or a table (.csv, .jsonl, .parquet) with a column
        of row ids and one column per class.
    name : str, optional
        Default: the name in the file, else that of the file.
    row_id : str
        Column of row ids in a table.
    kind : {None, "logits", "probabilities"}
        What a table holds; ``.npz`` files say so themselves.
    missing, silent
        As for :class:`Teacher`.

    Raises
    ------
    InputError
        If there is no such file; when asked, if rows are missing or are there twice with different
        outputs, or outputs are no finite numbers.
    FileFormatError
        If the file is damaged or something else.
    """

    def __init__(
        self,
        path: PathLike,
        name: str | None = None,
        missing: str = "error",
        *,
        row_id: str = "row_id",
        kind: str | None = None,
        silent: bool = False,
    ) -> None:
        self.path = Path(path)
        self.held = _read(self.path, row_id, kind)
        super().__init__(name or self.held.name or self.path.stem, None, missing, silent)
        self._classes = check_classes(self.held.classes)

    def _ask(self, X: Any, row_ids: VectorLike | None, n: int) -> np.ndarray:
        values = from_kind(self.held.values, self.held.kind)
        return look_up(self.held.row_ids, values, row_ids, n)


def _read(path: Path, row_id: str, kind: str | None) -> StoredOutputs:
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    if path.suffix.lower() != ".npz":
        return _read_table(path, row_id, kind)
    outputs = _read_npz(path)
    if kind not in (None, outputs.kind):
        raise InputError(f"{path} holds {outputs.kind}, not {kind}")
    return outputs


def _read_npz(path: Path) -> StoredOutputs:
    arrays = read_arrays(path, *_GUARD)
    with guarded_reading(path, *_GUARD):
        about = json.loads(arrays["meta"].tobytes())
        if about["mark"] != MARK:
            raise ValueError("it holds something else")
        if about["format"] > FORMAT:
            raise FileFormatError(f"{path} has format {about['format']}: update spear_amal")
        return _unpack(about, arrays["row_ids"], arrays["values"])


def _unpack(about: dict[str, Any], row_ids: np.ndarray, values: np.ndarray) -> StoredOutputs:
    outputs = StoredOutputs(row_ids, values, about["classes"], about["kind"], about["name"])
    if values.shape != (len(row_ids), len(outputs.classes)) or outputs.kind not in KINDS:
        raise ValueError(f"outputs of shape {values.shape} for {len(row_ids)} rows")
    return outputs


def _read_table(path: Path, row_id: str, kind: str | None) -> StoredOutputs:
    frame = read_table(path)
    require_columns(frame, [row_id], str(path))
    ids = frame[row_id]
    if ids.isna().any():
        raise InputError(f"{path}: {int(ids.isna().sum())} rows have no {row_id!r}")
    outputs = frame.drop(columns=row_id)
    return StoredOutputs(
        ids.to_numpy(), as_numbers(outputs.to_numpy()), list(outputs.columns), kind
    )
