"""LFs that vote for one class only, as those of most builders do: what their votes can tell.

Given that such an LF fires, its vote is no news. News is *that* it fires, and, where abstention is
an answer, that it does not. An LF that fires on every row tells nothing of any.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from spear_amal.votes.label_matrix import LabelMatrix

CHANCE = 0.01  # what is less likely than this did not happen by chance


def count_votes(L: LabelMatrix, n_rows: np.ndarray | None = None) -> np.ndarray:
    """Return how often each LF votes for each class (m, C).

    Parameters
    ----------
    L : LabelMatrix of shape (n, m)
    n_rows : ndarray of shape (n,), optional
        How many rows each row of `L` stands for; 1 by default.
    """
    m, n_classes = L.shape[1], L.n_classes
    weights = None if n_rows is None else np.repeat(n_rows, np.diff(L.codes.indptr))
    cells = L.codes.indices.astype(np.int64) * n_classes + L.codes.data - 1
    return np.bincount(cells, weights, minlength=m * n_classes).reshape(m, n_classes).astype(float)


def votes_one_class(counts: np.ndarray) -> np.ndarray:
    """Return which LFs (m,) vote, and for one class only, from counts of votes (m, C)."""
    return np.count_nonzero(counts, axis=1) == 1


def most_accuracy(cast: np.ndarray, n_rows: float, n_classes: int) -> np.ndarray:
    """Return the highest accuracy (m,) that votes for one class can have, were classes even.

    Of n rows n / C are of that class, so that of more votes not all are right: at 1 vote per row
    the accuracy is that of chance, 1 / C.

    Parameters
    ----------
    cast : ndarray of shape (m,)
        Votes for the class.
    n_rows : float
        All rows, those without votes as well.
    n_classes : int

    Examples
    --------
    >>> most_accuracy(np.array([0, 2, 6, 8]), 8, 2).tolist()
    [1.0, 1.0, 0.6666666666666666, 0.5]
    """
    return np.minimum(1.0, n_rows / np.maximum(n_classes * cast, 1e-300))


def firing_accuracy(
    right: np.ndarray,
    cast: np.ndarray,
    rows_of_class: np.ndarray,
    n_rows: np.ndarray | float,
    n_classes: int,
) -> np.ndarray:
    """Return accuracies (m,) of LFs that vote for one class, had all classes as many rows.

    With ``F = P(fires | its class) / P(fires | another class)`` that is ``F / (F + C - 1)``; NaN
    where there is no row of its class, none of another class, or no vote.

    Parameters
    ----------
    right, cast : ndarray of shape (m,)
        Expected right votes, and all votes.
    rows_of_class : ndarray of shape (m,)
        Expected rows of the class that the LF votes for.
    n_rows : ndarray of shape (m,) or float
        All rows.
    n_classes : int
    """
    others = np.maximum(n_rows - rows_of_class, 0)
    others[others < 1e-9 * np.asarray(n_rows)] = 0  # what rounding leaves of no row
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = right / rows_of_class
        outside = np.maximum(cast - right, 0) / others
        return inside / (inside + (n_classes - 1) * outside)


def gold_tells_balance(
    gold: np.ndarray, counts: np.ndarray, n_rows: np.ndarray | None = None
) -> np.ndarray:
    """Return which rows (n,) tell how frequent the classes are.

    All do, unless gold was chosen by its class, as where people collect positives: where it is all
    of one class though LFs vote for others, or lacks classes so often voted for that as many rows
    drawn by chance would lack them in less than 1 of 100 draws.

    Parameters
    ----------
    gold : ndarray of int, shape (n,)
        Gold classes, -1 where unknown.
    counts : ndarray of shape (m, C)
        Votes of each LF for each class.
    n_rows : ndarray of shape (n,), optional
        How many rows each row stands for; 1 by default.
    """
    known = gold >= 0
    n_known = known.sum() if n_rows is None else n_rows[known].sum()
    has_gold = np.bincount(gold[known], minlength=counts.shape[1]) > 0
    lacking = counts[:, ~has_gold].sum() / counts.sum()  # share of the votes
    chosen = lacking > 0 and (has_gold.sum() == 1 or (1 - lacking) ** n_known < CHANCE)
    return ~known if n_known and chosen else np.full(len(gold), True)


def constant_lfs(counts: np.ndarray, n_rows: float) -> np.ndarray:
    """Return which LFs (m,) cast the same vote on every row, from counts of votes (m, C)."""
    return counts.max(1, initial=0) >= n_rows


def without_votes(L: LabelMatrix, lfs: np.ndarray) -> LabelMatrix:
    """Return the same rows and LFs without the votes and scores of some LFs (m,) of bool."""
    parts = [None if part is None else _without(part, lfs) for part in (L.codes, L.scores)]
    return LabelMatrix(
        parts[0],
        scores=parts[1],
        lf_names=L.lf_names,
        classes=L.classes,
        row_ids=L.row_ids,
        lf_classes=L.lf_classes,
        continuous=L.continuous,
    )


def _without(matrix: sp.csr_array, columns: np.ndarray) -> sp.csr_array:
    kept = ~columns[matrix.indices]
    ends = np.concatenate([[0], np.cumsum(kept)])
    return sp.csr_array(
        (matrix.data[kept], matrix.indices[kept], ends[matrix.indptr]), shape=matrix.shape
    )
