"""Outputs of all teachers for all rows, once and for all, with a cache on disk if wanted."""

from __future__ import annotations

import hashlib
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from torch import Tensor

from spear_amal._typing import MatrixLike, PathLike, VectorLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.guard import guarded_reading
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.teachers.base import Teacher, n_rows_of
from spear_amal.teachers.class_columns import plain_class
from spear_amal.teachers.convert import TeachersLike, as_teachers

_FORMAT = "spear_amal teacher outputs 1"
_GUARD = (
    "a file of kept outputs of these teachers and rows",
    "they are computed again and the file is replaced",
)


def stack_logits(
    teachers: TeachersLike,
    X: MatrixLike,
    row_ids: VectorLike | None = None,
    classes: VectorLike | None = None,
) -> np.ndarray:
    """Compute the logits of every teacher for every row.

    Parameters
    ----------
    teachers : list, dict name -> thing, or one thing
        Anything that :func:`as_teacher` understands.
    X : array, sparse matrix or images (n, ...)
    row_ids : sequence (n,), optional
    classes : sequence (C,)
        Classes of the student.

    Returns
    -------
    ndarray (n, T, C) float32
        NaN on rows where a teacher is silent.

    Raises
    ------
    InputError
        Says which teacher it is, e.g. "teacher 1 ('resnet20'): ..".
    """
    return TeacherOutputs(teachers, X, row_ids, classes).logits


class TeacherOutputs:
    """Logits of T teachers for n rows, computed when first asked for.

    Parameters
    ----------
    teachers, X, row_ids, classes
        As for :func:`stack_logits`.
    cache : path, optional
        Folder in which answers are kept between runs, one file for each teacher and set of rows.
        The name is a hash of the teacher (layout and parameters, not the code of a forward method
        of your own) and of rows, ids and classes. Arrays and tables are not kept again.

    Attributes
    ----------
    teachers : list of Teacher
    names : list of str
    """

    def __init__(
        self,
        teachers: TeachersLike,
        X: MatrixLike,
        row_ids: VectorLike | None = None,
        classes: VectorLike | None = None,
        cache: PathLike | None = None,
    ) -> None:
        self.teachers = as_teachers(teachers)
        self.names = [teacher.name for teacher in self.teachers]
        self.X, self.row_ids = X, row_ids
        self.classes = None if classes is None else plain_class(classes)
        self.cache = None if cache is None else Path(cache)

    def __len__(self) -> int:
        return len(self.row_ids) if self.X is None else n_rows_of(self.X)

    @cached_property
    def logits(self) -> np.ndarray:
        """Logits (n, T, C) float32."""
        answers = [self._one(i, teacher) for i, teacher in enumerate(self.teachers)]
        if not answers:
            return np.zeros((len(self), 0, len(self.classes or ())), dtype=np.float32)
        widths = sorted({answer.shape[1] for answer in answers})
        if len(widths) > 1:
            raise InputError(f"the teachers have different numbers of classes: {widths}")
        return np.stack(answers, axis=1)

    def _one(self, i: int, teacher: Teacher) -> np.ndarray:
        try:
            return self._kept(teacher)
        except InputError as error:
            raise type(error)(f"teacher {i} ({teacher.name!r}): {error}") from error

    def _kept(self, teacher: Teacher) -> np.ndarray:
        digest = None if self.cache is None else teacher.digest()
        if self.cache is None or digest is None:
            return teacher.logits(self.X, self.row_ids, self.classes)
        key = hashlib.sha256(f"{_FORMAT}|{digest}|{self._data_digest}".encode()).hexdigest()
        path = self.cache / f"{key}.npz"
        logits = _read(path, key, len(self), self.classes)
        if logits is None:
            logits = teacher.logits(self.X, self.row_ids, self.classes)
            _write(path, key, logits)
        return logits

    @cached_property
    def _data_digest(self) -> str:
        X = self.X.detach().cpu().numpy() if isinstance(self.X, Tensor) else self.X
        ids = None if self.row_ids is None else np.asarray(self.row_ids)
        return str(joblib.hash((X, ids, self.classes), hash_name="sha1"))


def _read(path: Path, key: str, n: int, classes: list[Any] | None) -> np.ndarray | None:
    """Answers (n, C) kept under this key; None if there are none, or they are damaged."""
    remove_leftovers(path.parent)
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path, *_GUARD)
        with guarded_reading(path, *_GUARD):
            stored_key, logits = str(arrays["key"]), arrays["logits"]
            width = logits.shape[-1] if classes is None else len(classes)
            if stored_key != key or logits.dtype != np.float32 or logits.shape != (n, width):
                raise ValueError(f"{logits.dtype} {logits.shape} of other rows or teachers")
    except (FileFormatError, OSError) as error:
        warnings.warn(str(error), stacklevel=2)
        return None
    return logits


def _write(path: Path, key: str, logits: np.ndarray) -> None:
    """Keep answers, whole or not at all; a folder that cannot be written warns."""
    try:
        write_arrays(path, {"key": np.array(key), "logits": logits}, durable=False)
    except OSError as error:
        warnings.warn(
            f"teacher outputs cannot be kept in {path.parent} ({error}); they are computed again "
            "next time; free space there, or name another folder",
            stacklevel=2,
        )
