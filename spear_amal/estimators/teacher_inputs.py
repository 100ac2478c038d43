"""What teachers are asked in a fit: training rows, then validation rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.estimators.validation import TrainingPool, VoteSchema, check_rows
from spear_amal.teachers import ArrayTeacher, Teacher, TeacherOutputs
from spear_amal.teachers.ensemble import MeanTeacher
from spear_amal.votes.label_matrix import LabelMatrix


@dataclass
class TeacherRows:
    """One or two parts, of training and of validation rows, each with what is asked and its ids.

    Attributes
    ----------
    parts : list of (inputs, ids or None)
    own : bool
        Teachers are asked about the student's X itself.
    digest : str or None
        Tells the teachers' answers apart; known once they were asked.
    """

    parts: list[tuple[Any, Any]]
    own: bool = True
    digest: str | None = None

    @classmethod
    def of(
        cls,
        X: Any,
        L: Any,
        X_val: Any,
        L_val: Any,
        teacher_X: Any,
        teacher_X_val: Any,
        row_ids: Any,
        row_ids_val: Any,
    ) -> TeacherRows:
        """Make the inputs of `fit`'s arguments; a label matrix knows the ids of its rows."""
        if (teacher_X is not None and X_val is not None) != (teacher_X_val is not None):
            raise InputError(
                "teacher_X and teacher_X_val go together with validation rows: give both, or none"
            )
        parts = [_part("teacher_X", "X", X, teacher_X, row_ids, L)]
        if X_val is not None:
            parts += [_part("teacher_X_val", "X_val", X_val, teacher_X_val, row_ids_val, L_val)]
        return cls(parts, own=teacher_X is None or teacher_X is X)

    def logits(
        self, teachers: Sequence[Teacher], pool: TrainingPool, cache: Any = None
    ) -> np.ndarray:
        """Compute all teachers' logits (n, T, C) for the pool's rows; NaN where one is silent."""
        parts: list[np.ndarray] = []
        start, total = 0, len(pool.y)
        for X, ids in self.parts:
            stop = start + _count(X)
            asked = [_part_of(one, start, stop, total) for one in teachers]
            # Rows without ids have running numbers, so that no id stands for two rows.
            ids = np.arange(start, stop) if ids is None else ids
            parts.append(TeacherOutputs(asked, X, ids, pool.classes, cache).logits)
            start = stop
        told = np.concatenate(parts)
        self.digest = hashlib.sha256(np.ascontiguousarray(told).tobytes()).hexdigest()[:32]
        return told


def check_columns(teachers: Sequence[Teacher], schema: VoteSchema | None) -> None:
    """Raise InputError for columns that could follow either of two orders of the classes.

    A teacher that does not know its classes has them in the student's order; where the votes name
    them in another order than the sorted one, nothing says which of the two was meant.
    """
    if schema is None or schema.codes is None:
        return
    for teacher in teachers:
        if isinstance(teacher, MeanTeacher):
            check_columns(teacher.teachers, schema)
        elif teacher.classes is None:
            raise InputError(
                f"the teacher {teacher.name!r} does not say which class each of its columns is; L "
                f"has the classes {list(schema.classes)}, the student has them sorted. Name the "
                "columns in their own order: as_teacher(.., classes=[..])"
            )


def _part(name: str, of: str, X: Any, asked: Any, ids: Any, L: Any) -> tuple[Any, Any]:
    if not hasattr(X, "shape") and not hasattr(X, "__len__"):
        X = np.asarray(X)  # what only says how to become an array
    n = _count(X)
    if asked is not None:
        check_rows(name, _count(asked), n, of)
    if ids is None and isinstance(L, LabelMatrix) and not _is_count(L.row_ids):
        ids = L.row_ids
    if ids is not None:
        check_rows("row_ids", len(ids), n, of)
    if asked is None and getattr(X, "ndim", 2) == 3:
        X = X[:, None]  # images of one channel, as the student sees them
    return (X if asked is None else asked), ids


def _part_of(teacher: Teacher, start: int, stop: int, total: int) -> Teacher:
    """Cut an array of outputs, which knows no ids, to the rows of one part."""
    if isinstance(teacher, MeanTeacher):
        members = [_part_of(one, start, stop, total) for one in teacher.teachers]
        return MeanTeacher(members, teacher.name)
    if not isinstance(teacher, ArrayTeacher) or stop - start == total:
        return teacher
    if len(teacher.values) != total:
        raise InputError(
            f"the teacher {teacher.name!r} has outputs for {len(teacher.values)} rows; X and X_val "
            f"have {total} together. Put those of X_val below those of X"
        )
    return teacher.part(start, stop)


def _count(X: Any) -> int:
    shape = getattr(X, "shape", None)
    if shape == () or (shape is None and not hasattr(X, "__len__")):
        raise InputError(f"X must have one row for each example, found {X!r}")
    return len(X) if shape is None else int(shape[0])


def _is_count(ids: np.ndarray) -> bool:
    """Return whether ids are positions 0, 1, .. (where nobody named the rows)."""
    return ids.dtype.kind in "iu" and bool((ids == np.arange(len(ids))).all())
