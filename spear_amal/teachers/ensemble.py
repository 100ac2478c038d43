"""The mean of several teachers as one teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp
from torch import Tensor

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.teachers.base import Teacher
from spear_amal.tensors.sparse_rows import SparseRows


class MeanTeacher(Teacher):
    """The mean of several teachers' probabilities, over those that speak about a row."""

    def __init__(self, teachers: Sequence[Teacher], name: str = "mean") -> None:
        super().__init__(name)
        if not teachers:
            raise InputError("an ensemble needs one teacher or more, found none")
        self.teachers = list(teachers)
        counts = [teacher.n_parameters for teacher in self.teachers]
        self.n_parameters = None if None in counts else sum(c for c in counts if c is not None)

    def logits(
        self, X: MatrixLike, row_ids: VectorLike | None = None, classes: VectorLike | None = None
    ) -> np.ndarray:
        """Log of the mean probability (n, C); each member's columns are put in order first."""
        wanted = classes
        if wanted is None:  # all in the order of the first that knows its classes
            wanted = next((t.classes for t in self.teachers if t.classes is not None), None)
        answers = self._all(X, row_ids, wanted)  # (T, n, C)
        silent = np.isnan(answers).all(axis=2, keepdims=True)
        p = np.where(silent, -np.inf, log_softmax(np.where(silent, 0, answers), axis=2))
        speaking = (~silent).sum(axis=0)  # (n, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = logsumexp(p, axis=0) - np.log(speaking)
        return np.where(speaking > 0, mean, np.nan).astype(np.float32)

    def _all(self, X: Any, row_ids: Any, classes: Any) -> np.ndarray:
        answers = []
        for teacher in self.teachers:
            try:
                answers.append(teacher.logits(X, row_ids, classes))
            except InputError as error:
                raise type(error)(f"member {teacher.name!r}: {error}") from error
        if len({answer.shape for answer in answers}) > 1:
            widths = sorted({answer.shape[1] for answer in answers})
            raise InputError(f"its members have different numbers of classes: {widths}")
        return np.stack(answers)

    def online_logits(
        self, x: Tensor | SparseRows, classes: VectorLike | None = None
    ) -> Tensor | None:
        """Log of the mean probability (B, C), if all members can be asked about a batch."""
        answers = [teacher.online_logits(x, classes) for teacher in self.teachers]
        heard = [answer.log_softmax(-1) for answer in answers if answer is not None]
        if len(heard) < len(answers):
            return None
        return torch.stack(heard).logsumexp(0) - math.log(len(heard))

    def _content(self) -> str | None:
        """Join the members' digests, if all have one."""
        parts = [teacher.digest() for teacher in self.teachers]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return "|".join(known)
