"""Majority vote: each LF that fires counts once."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.vote_patterns import majority_shares
from spear_amal.votes.label_matrix import LabelMatrix


class MajorityVote(LabelModel):
    """Probability mass shared equally by the classes with the most votes.

    Every vote counts as much, that of an LF which always fires as well, and ``get_weights`` are 1.

    Parameters
    ----------
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        How frequent the classes are; see :class:`LabelModel`. It decides ties, and nothing else.

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

    def __init__(self, *, class_balance: ClassBalanceLike | None = None) -> None:
        self.class_balance = class_balance

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        """Nothing to learn."""

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return majority_shares(L, self.n_classes_)

    def _weights(self) -> np.ndarray:
        return np.ones(self.n_lfs_)
