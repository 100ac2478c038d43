"""Rows whose neighbours agree: the cut statistic of pseudo-labels on a graph of features.

Muhlenbach, Lallich and Zighed, "Identifying and Handling Mislabelled Instances" (2004); for weak
supervision Lang, Vijayaraghavan and Sontag, "Training Subset Selection for Weak Supervision"
(2022). A row's edges lead to its k nearest neighbours, weighted by ``1 / (1 + distance)``. If
labels were dealt out at random in the shares in which they occur, the weight J_i of the edges to
rows of other labels would have a known mean and variance; a row that lies far below the mean is
among its own, and its label is more often right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from spear_amal.errors import InputError
from spear_amal.estimators.validation import TrainingPool
from spear_amal.params import Interval

NEIGHBOURS = 20
#: Of the parameter `cut_statistic` of estimators.
SHARE = [None, Interval(Real, 0, 1, closed="right")]


@dataclass(frozen=True)
class NeighbourGraph:
    """The k nearest neighbours of some rows among each other.

    Attributes
    ----------
    rows : ndarray of int (r,)
        Their numbers in the table.
    neighbours : ndarray of int (r, k)
        Places in `rows`, the nearest first; no row is its own neighbour.
    weights : ndarray (r, k)
        ``1 / (1 + distance)``.
    """

    rows: np.ndarray
    neighbours: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, X: Any, rows: np.ndarray, n_neighbours: int = NEIGHBOURS) -> Self:
        """Find the neighbours of `rows` of features X (n, D) by Euclidean distance.

        Sparse rows, whose length is that of a text, are scaled to length 1 before.

        Raises
        ------
        InputError
            If rows are images, or there are fewer than two.
        """
        if X.ndim > 2 or len(rows) < 2:
            what = "images" if X.ndim > 2 else f"{len(rows)} row(s) with votes"
            raise InputError(
                "cut_statistic compares the features of rows with those of their neighbours; it "
                f"cannot be used on {what}"
            )
        seen = normalize(X[rows]) if sp.issparse(X) else np.asarray(X[rows])
        k = min(n_neighbours, len(rows) - 1)
        distances, neighbours = NearestNeighbors(n_neighbors=k).fit(seen).kneighbors()
        return cls(rows, neighbours, 1 / (1 + distances))

    def cut_statistic(self, labels: np.ndarray) -> np.ndarray:
        """Compute the standardised weight (r,) of edges to other labels; low is trustworthy.

        Parameters
        ----------
        labels : ndarray of int (r,)
            Pseudo-labels of `rows`.
        """
        shares = np.bincount(labels) / len(labels)
        differs = 1 - shares[labels]
        cut = (self.weights * (labels[self.neighbours] != labels[:, None])).sum(1)
        mean = differs * self.weights.sum(1)
        variance = differs * (1 - differs) * (self.weights**2).sum(1)
        return (cut - mean) / np.sqrt(np.where(variance > 0, variance, 1.0))


def kept_rows(graph: NeighbourGraph, labels: np.ndarray, share: float) -> np.ndarray:
    """Return the numbers in the table of the share of rows that lie best among their own.

    Parameters
    ----------
    graph : NeighbourGraph
    labels : ndarray of int (r,)
        Pseudo-labels of the graph's rows.
    share : float
        Of each pseudo-label's rows, so that no class goes; one row of each is kept at least.
    """
    statistic = graph.cut_statistic(labels)
    kept = []
    for code in np.unique(labels):
        places = np.flatnonzero(labels == code)
        best = np.argsort(statistic[places], kind="stable")
        kept.append(places[best[: max(1, round(share * len(places)))]])
    return graph.rows[np.sort(np.concatenate(kept))]


def row_selection(
    pool: TrainingPool,
    share: float,
    labels_of: Callable[[np.ndarray | None], np.ndarray],
) -> Callable[[np.ndarray | None], np.ndarray]:
    """Return what chooses the rows with votes to train on, for a plan.

    Parameters
    ----------
    pool : TrainingPool
    share : float
    labels_of : function (teachers) -> ndarray of int (n,)
        Pseudo-labels of all rows of the pool.
    """

    @cache  # the folds of a fit share one graph
    def graph() -> NeighbourGraph:
        return NeighbourGraph.of(pool.x, pool.ordered(np.flatnonzero(pool.covered())))

    def select(teachers: np.ndarray | None) -> np.ndarray:
        return kept_rows(graph(), labels_of(teachers)[graph().rows], share)

    return select
