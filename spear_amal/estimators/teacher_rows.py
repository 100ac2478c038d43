"""What teachers are asked in a fit: training rows, then validation rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.estimators.door import Pool, check_rows
from spear_amal.label_matrix import LabelMatrix
from spear_amal.teachers import Teacher, TeacherOutputs


@dataclass
class TeacherRows:
    """One or two parts, of training and of validation rows, each with what is asked and its ids.

    Attributes
    ----------
    parts : list of (inputs, ids or None)
    digest : str or None
        Tells the teachers' answers apart; known once they were asked.
    """

    parts: list[tuple[Any, Any]]
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
        """Take `fit`'s arguments; a label matrix knows the ids of its rows."""
        if (teacher_X is not None and X_val is not None) != (teacher_X_val is not None):
            raise InputError(
                "teacher_X and teacher_X_val go together with validation rows: give both, or none"
            )
        parts = [_part("teacher_X", "X", X, teacher_X, row_ids, L)]
        if X_val is not None:
            parts += [_part("teacher_X_val", "X_val", X_val, teacher_X_val, row_ids_val, L_val)]
        return cls(parts)

    def logits(self, teachers: Sequence[Teacher], pool: Pool, cache: Any = None) -> np.ndarray:
        """Ask all teachers about all rows of the pool: (n, T, C), NaN where one is silent."""
        classes = pool.classes
        told = np.concatenate(
            [TeacherOutputs(teachers, X, ids, classes, cache).logits for X, ids in self.parts]
        )
        check_rows("what the teachers were asked", len(told), len(pool.y), "X with X_val")
        self.digest = hashlib.sha256(np.ascontiguousarray(told).tobytes()).hexdigest()[:32]
        return told


def _part(name: str, of: str, X: Any, asked: Any, ids: Any, L: Any) -> tuple[Any, Any]:
    n = X.shape[0]
    if asked is not None:
        check_rows(name, asked.shape[0] if hasattr(asked, "shape") else len(asked), n, of)
    if ids is None and isinstance(L, LabelMatrix):
        ids = L.row_ids
    if ids is not None:
        check_rows("row_ids", len(ids), n, of)
    return (X if asked is None else asked), ids
