"""Majority vote: each LF that fires counts once."""

from __future__ import annotations

import numpy as np

from spear_amal.label_models.base import LabelModel
from spear_amal.votes.label_matrix import LabelMatrix


def vote_counts(L: LabelMatrix, n_classes: int) -> np.ndarray:
    """Votes per row and class (n, C), in one pass over the votes that were cast."""
    rows = np.repeat(np.arange(len(L)), np.diff(L.codes.indptr))
    votes = L.codes.data.astype(np.int64) - 1
    flat = np.bincount(rows * n_classes + votes, minlength=len(L) * n_classes)
    return flat.reshape(len(L), n_classes)


class MajorityVote(LabelModel):
    """Probability mass shared equally by the classes with the most votes.

    Examples
    --------
    >>> model = MajorityVote().fit([[0, 1, 1], [0, -1, -1], [0, 1, -1]])
    >>> model.predict_proba([[0, 1, 1], [0, 1, -1], [-1, -1, -1]])
    array([[0. , 1. ],
           [0.5, 0.5],
           [0.5, 0.5]])
    >>> model.predict([[0, 1, 1], [0, 1, -1]])
    array([ 1, -1])
    """

    counts_rows = True

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        """Nothing to learn."""

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        counts = vote_counts(L, self.n_classes_)
        top = counts == counts.max(1, keepdims=True)
        return top / top.sum(1, keepdims=True)
