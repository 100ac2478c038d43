"""Counts over the sparse votes of a label matrix; nothing of size n x m x C is made."""

from __future__ import annotations

from statistics import NormalDist  # as scipy.special has it, without 0.2 s of imports

import numpy as np
import scipy.sparse as sp

from spear_amal.votes.label_matrix import LabelMatrix


class VoteCounts:
    """Counts that the analysis of LFs is made of.

    Parameters
    ----------
    L : LabelMatrix of shape (n, m)

    Attributes
    ----------
    rows, columns, votes : ndarray (nnz,)
        The votes as triplets.
    """

    def __init__(self, L: LabelMatrix) -> None:
        self.n, self.m = L.shape
        codes = L.codes.tocoo()
        self.rows, self.columns = codes.coords
        self.votes = codes.data.astype(np.int64) - 1
        self.starts = L.codes.indptr

    def per_row(self) -> np.ndarray:
        """Count the votes of each row (n,)."""
        return np.diff(self.starts)

    def conflicted(self) -> np.ndarray:
        """Rows (n,) with two different votes, as bool."""
        other = self.votes != self.votes[self.starts[self.rows]]  # than the first vote of the row
        return np.bincount(self.rows[other], minlength=self.n) > 0

    def per_lf(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Count the votes of each LF (m,), on the rows marked True."""
        kept = self.columns if rows is None else self.columns[rows[self.rows]]
        return np.bincount(kept, minlength=self.m)

    def per_class(self, n_classes: int) -> np.ndarray:
        """Count the votes of each LF for each class (m, C)."""
        cells = self.columns.astype(np.int64) * n_classes + self.votes
        return np.bincount(cells, minlength=self.m * n_classes).reshape(self.m, n_classes)

    def correct(self, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correct and incorrect votes (m,) of each LF, on rows with a gold class."""
        known = gold[self.rows] >= 0
        right = gold[self.rows] == self.votes
        return (
            np.bincount(self.columns[known & right], minlength=self.m),
            np.bincount(self.columns[known & ~right], minlength=self.m),
        )

    def overlaps(self) -> np.ndarray:
        """Rows on which both of two LFs fired, (m, m)."""
        return self._together(slice(None))

    def agreements(self) -> np.ndarray:
        """Rows on which two LFs cast the same vote, (m, m)."""
        total = np.zeros((self.m, self.m))
        for vote in np.unique(self.votes):
            total += self._together(self.votes == vote)
        return total

    def _together(self, chosen: np.ndarray | slice) -> np.ndarray:
        """Rows (m, m) on which two LFs both cast one of the chosen votes."""
        places = self.rows[chosen], self.columns[chosen]
        one = sp.csr_array((np.ones(len(places[0])), places), shape=(self.n, self.m))
        return (one.T @ one).toarray()

    def tables(self, gold: np.ndarray, k: int) -> np.ndarray:
        """Count votes -1..k-1 by gold class (m, k+1, k)."""
        counts = np.zeros((self.m, k + 1, k))
        known = (gold[self.rows] >= 0) & (gold[self.rows] < k) & (self.votes < k)
        where = (self.columns[known], self.votes[known] + 1, gold[self.rows][known])
        np.add.at(counts, where, 1)
        of_class = np.bincount(gold[(gold >= 0) & (gold < k)], minlength=k)
        counts[:, 0] = of_class - counts.sum(axis=1)
        return counts


def share(counts: np.ndarray, total: int | np.ndarray) -> np.ndarray:
    """Return `counts / total`, 0 where the total is 0."""
    total = np.broadcast_to(np.asarray(total, dtype=float), counts.shape)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)


def wilson_interval(
    correct: np.ndarray, total: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share; (0, 1) where nothing was counted.

    With p = correct / total and the normal quantile z:
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)   [Wilson 1927]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    n = np.maximum(total, 1).astype(float)
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At p = 0 and p = 1 the bounds are 0 and 1 exactly; rounding must not carry them past.
    low = np.where((total == 0) | (correct == 0), 0.0, centre - half)
    high = np.where((total == 0) | (correct == total), 1.0, centre + half)
    return low, high
