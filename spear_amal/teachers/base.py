"""What a teacher is: a name, and logits for rows in the order of the student's classes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.teachers.class_columns import arrange, check_classes, check_values, column_order
from spear_amal.tensors.sparse_rows import SparseRows


class Teacher:
    """Template: a subclass says how rows are asked, in `_ask`.

    Parameters
    ----------
    name : str
        What the teacher is called in messages and tables.
    classes : sequence, optional
        Class labels of its columns. Without them the columns are taken to be the student's
        ``classes_``, in their order; where votes name the classes in another order, `fit` asks.
    missing : {"error", "low"}
        Classes of the student that the teacher lacks are an error, or get a low probability.
    silent : bool
        Take rows of NaN as rows without an answer; otherwise they are an error.

    Attributes
    ----------
    n_parameters : int or None
        Number of parameters, None if unknown.
    """

    n_parameters: int | None = None

    def __init__(
        self,
        name: str,
        classes: VectorLike | None = None,
        missing: str = "error",
        silent: bool = False,
    ) -> None:
        if missing not in ("error", "low"):
            raise InputError(f"missing must be 'error' or 'low', found {missing!r}")
        self.name = str(name)
        self.missing = missing
        self.silent = bool(silent)
        self._classes = None if classes is None else check_classes(classes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __sklearn_clone__(self) -> Teacher:
        """Return the teacher itself: a clone of a student keeps its trained teachers."""
        return self

    @property
    def classes(self) -> list[Any] | None:
        """Class labels of the teacher's columns, None if it does not know them."""
        return self._classes

    def logits(
        self, X: MatrixLike, row_ids: VectorLike | None = None, classes: VectorLike | None = None
    ) -> np.ndarray:
        """Logits for rows; log-probabilities where the teacher gives only probabilities.

        Parameters
        ----------
        X : array, sparse matrix or images (n, ...)
            Features as the student gets them.
        row_ids : sequence of int or str (n,), optional
            For teachers that look rows up.
        classes : sequence (C,), optional
            Classes of the student; the columns come in this order.

        Returns
        -------
        ndarray (n, C) float32
            Rows of NaN where the teacher is silent.

        Raises
        ------
        InputError
            If the teacher cannot be asked, its classes are others, rows are missing, or its
            answers are no finite numbers.
        """
        if self.classes is not None:  # before the work is done, where it can be known
            column_order(len(self.classes), self.classes, classes, self.missing)
        n = len(row_ids) if X is None else n_rows_of(X)
        values = np.asarray(self._ask(X, row_ids, n))
        if values.ndim != 2 or len(values) != n:
            raise InputError(f"it gives outputs of shape {values.shape} for {n} rows, not ({n}, C)")
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(values, dtype=np.float32)
        check_values(values, self.silent)
        order = column_order(values.shape[1], self.classes, classes, self.missing)
        return arrange(torch.from_numpy(values), order).numpy()

    def online_logits(
        self, x: Tensor | SparseRows, classes: VectorLike | None = None
    ) -> Tensor | None:
        """Logits (B, C) for a batch as it is now, augmented or not; None for a teacher that cannot.

        No gradient, evaluation mode, on the batch's device, columns in the order of `classes`.
        """
        return None

    def digest(self) -> str | None:
        """Return a hash of what the teacher would answer; None where nothing is worth keeping.

        Two teachers of the same digest give the same answers: outputs on disk go by it.
        """
        content = self._content()
        if content is None:
            return None
        about = repr((type(self).__name__, self.classes, self.missing, content))
        return hashlib.sha256(about.encode()).hexdigest()

    def _content(self) -> str | None:
        """Return a hash of what the answers come from; None where nothing is worth keeping."""
        return None

    def _ask(self, X: Any, row_ids: VectorLike | None, n: int) -> np.ndarray:
        """Return logits (n, C') in the teacher's own order."""
        raise NotImplementedError


def n_rows_of(X: Any) -> int:
    """Count rows of an array, tensor, sparse matrix or table."""
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape else len(X)
