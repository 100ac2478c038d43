"""Classes of rows of which a model, or the label model, is sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel
from spear_amal.votes.label_matrix import LabelMatrix

#: Probability of a class from which a row is called confident.
CONFIDENT = 0.8
_ENOUGH = 20  # confident rows of a class, and of other classes, to compare
_ENOUGH_HERE = 5  # those on which a condition holds


def confident_classes(votes: LabelMatrix, gold: np.ndarray, proba: Any = None) -> np.ndarray:
    """Return the classes (n,) of confident rows, -1 for others.

    Parameters
    ----------
    votes : LabelMatrix (n, m)
    gold : ndarray of int (n,)
    proba : array (n, C), optional
        Of a model; without it a label model is fitted to the votes.

    Raises
    ------
    InputError
        If `proba` is no table of probabilities of that size.
    """
    if proba is None:
        if not votes.shape[1] or not votes.codes.nnz:
            return np.full(len(gold), -1)
        p = AccuracyModel().fit(votes, gold).predict_proba(votes)
    else:
        p = _checked(proba, (len(gold), votes.n_classes))
    return np.where(p.max(axis=1) >= CONFIDENT, p.argmax(axis=1), -1)


def _checked(proba: Any, shape: tuple[int, int]) -> np.ndarray:
    try:
        p = np.asarray(proba, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"proba must be numbers of shape {shape}: {error}") from error
    if p.shape != shape or not ((p >= 0) & (p <= 1)).all():
        raise InputError(
            f"proba must hold a probability for each row and class, {shape}, found shape {p.shape}"
            + ("" if p.shape != shape else " with numbers outside 0 to 1")
        )
    return p


@dataclass(frozen=True)
class ConfidentRows:
    """Confident rows on which conditions j hold, by class c.

    Which rows a model is sure of says little: that of LFs of one class knows rows of that class
    alone. So what counts is how much more often a condition holds there than on rows that are
    surely of another class.

    Attributes
    ----------
    counts : ndarray (J, C)
    tells : ndarray of bool (J, C)
        Whether there are enough rows to compare.
    ratio : ndarray (J, C)
        Share of the class's confident rows on which j holds, over that of the others.
    """

    counts: np.ndarray
    tells: np.ndarray
    ratio: np.ndarray

    @classmethod
    def of(cls, holds: sp.csc_array, sure: np.ndarray, n_classes: int) -> ConfidentRows:
        """Count the rows.

        Parameters
        ----------
        holds : sparse array of bool (s, J)
        sure : ndarray of int (s,)
            Classes of confident rows, -1 for others.
        n_classes : int
        """
        of_class = (sure[:, None] == np.arange(n_classes)).astype(np.float32)
        counts = np.asarray(holds.astype(np.float32).T @ of_class)
        totals, here = of_class.sum(0), counts.sum(1, keepdims=True)
        others = totals.sum() - totals
        tells = (here >= _ENOUGH_HERE) & (totals >= _ENOUGH) & (others >= _ENOUGH)
        ratio = (counts + 0.5) / (totals + 1) * (others + 1) / (here - counts + 0.5)
        return cls(counts, tells, ratio)

    def said_of(self, j: int, c: int) -> tuple[int, float]:
        """Return how many rows there are, and the share of the class; 0 if they tell nothing."""
        if not self.tells[j, c]:
            return 0, float("nan")
        n_rows = int(self.counts[j].sum())
        return n_rows, float(self.counts[j, c] / n_rows)
