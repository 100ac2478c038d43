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

    Attributes
    ----------
    uses_gold : bool
        Of the class: ``fit`` learns from `y` where it is given; other models ignore it.
    """

    uses_gold: bool = False

    def fit(self, L: Any, y: Any = None) -> Any:
        """Learn from votes (n, m); `y` (n,), -1 where unknown, is used by models that take gold.

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m)
        y : array of int, shape (n,), optional
            Class codes. Ignored unless ``uses_gold``.

        Raises
        ------
        InputError
            If no LF votes, or `y` has another length or a code that is no class.
        """
        L = as_label_matrix(L)
        if L.nnz == 0:
            raise InputError("all LFs abstain on all rows: there is nothing to learn from")
        self.classes_ = L.classes
        self.n_classes_ = L.n_classes
        self.n_lfs_ = L.shape[1]
        self.plan_ = L.unipolar_plan()
        self._fit(L, check_gold(y, L) if self.uses_gold else None)
        return self

    def predict_proba(self, L: Any) -> np.ndarray:
        """Class probabilities (n, C); uniform where all LFs abstain."""
        check_is_fitted(self, "n_classes_")
        matrix = as_label_matrix(L, self.classes_)
        if matrix.shape[1] != self.n_lfs_:
            raise InputError(f"L has {matrix.shape[1]} LFs, the model was fitted on {self.n_lfs_}")
        p = self._posterior(matrix)
        p[~matrix.covered()] = 1.0 / self.n_classes_
        return p

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


def check_gold(y: Any, L: LabelMatrix) -> np.ndarray | None:
    """Take gold classes (n,), -1 where unknown; None if none is known.

    Raises
    ------
    InputError
        If `y` is not one class code (or -1) for each row of `L`.
    """
    if y is None:
        return None
    gold = np.asarray(y)
    if gold.shape != (len(L),):
        raise InputError(f"y must have one entry for each of {len(L)} rows, found {gold.shape}")
    if not np.issubdtype(gold.dtype, np.integer):
        raise InputError(f"y must hold class codes (integers, -1 unknown), found {gold.dtype}")
    if gold.min(initial=0) < ABSTAIN or gold.max(initial=0) >= L.n_classes:
        raise InputError(
            f"y must hold -1 or codes below {L.n_classes}, found {gold.min()} to {gold.max()}; "
            "give L as a LabelMatrix with all its classes"
        )
    return gold.astype(np.int64) if (gold >= 0).any() else None
