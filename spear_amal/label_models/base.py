"""Label models: from votes alone to one class distribution per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from spear_amal.errors import InputError
from spear_amal.label_matrix import ABSTAIN, LabelMatrix

TIE = 1e-9  # posteriors closer than this are tied


class LabelModel(BaseEstimator):
    """Base: input checks, ties and :meth:`predict`; a model writes ``_fit`` and ``_posterior``.

    Parameters of all label models are keyword-only and only stored by the constructor.
    """

    def fit(self, L: Any, y: Any = None) -> Any:
        """Learn from votes (n, m); `y` (n,), -1 where unknown, is used by models that take gold.

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m)
        y : array of int, shape (n,), optional
        """
        L = as_label_matrix(L)
        if L.nnz == 0:
            raise InputError("all LFs abstain on all rows: there is nothing to learn from")
        self.classes_ = L.classes
        self.n_classes_ = L.n_classes
        self.n_lfs_ = L.shape[1]
        self.plan_ = L.unipolar_plan()
        self._fit(L, None if y is None else np.asarray(y))
        return self

    def predict_proba(self, L: Any) -> np.ndarray:
        """Class probabilities (n, C); uniform where all LFs abstain."""
        check_is_fitted(self, "n_classes_")
        matrix = as_label_matrix(L, self.classes_)
        if matrix.shape[1] != self.n_lfs_:
            raise InputError(f"L has {matrix.shape[1]} LFs, the model was fitted on {self.n_lfs_}")
        return self._posterior(matrix)

    def predict(self, L: Any, tie_break_policy: str = "abstain") -> np.ndarray:
        """Classes (n,).

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m)
        tie_break_policy : {"abstain", "first"}
            What a tie gives: -1, or the lowest of the tied classes.
        """
        if tie_break_policy not in ("abstain", "first"):
            raise InputError(
                f"tie_break_policy must be 'abstain' or 'first', found {tie_break_policy!r}"
            )
        p = self.predict_proba(L)
        classes = p.argmax(1)
        if tie_break_policy == "abstain":
            tied = (p >= p.max(1, keepdims=True) - TIE).sum(1) > 1
            classes[tied] = ABSTAIN
        return classes

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        raise NotImplementedError

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        raise NotImplementedError


def as_label_matrix(L: Any, classes: Sequence[Any] | None = None) -> LabelMatrix:
    """Take a label matrix or anything that is an array of votes.

    Parameters
    ----------
    L : LabelMatrix or array of shape (n, m)
    classes : sequence, optional
        Classes of a fitted model. New rows may show fewer of them; other names or more classes
        are an error.
    """
    matrix = L if isinstance(L, LabelMatrix) else LabelMatrix.from_dense(L)
    if classes is None or list(matrix.classes) == list(classes):
        return matrix
    named = all(isinstance(name, str) for name in (*matrix.classes, *classes))
    top = int(matrix.codes.data.max(initial=0))
    if named or top > len(classes):
        raise InputError(
            f"L votes for classes {list(matrix.classes)}, the model knows {list(classes)}"
        )
    return matrix.with_classes(classes)
