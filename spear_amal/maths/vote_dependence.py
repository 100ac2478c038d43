"""Which LFs vote alike more often than their accuracies explain: a test of each pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class PairDependence(NamedTuple):
    """How far two LFs vote alike beyond what the class explains.

    Attributes
    ----------
    correlation : ndarray of shape (m, m)
        Correlation of the votes within the classes: 0 if they are independent given the class, 1 of
        exact copies; 0 on the diagonal.
    z : ndarray of shape (m, m)
        That in standard errors under independence; about normal.
    rows : ndarray of shape (m, m)
        Rows on which both vote.
    """

    correlation: np.ndarray
    z: np.ndarray
    rows: np.ndarray


def pair_dependence(
    cast: sp.csr_array, weights: np.ndarray, p: np.ndarray, one_class: np.ndarray
) -> PairDependence:
    """Test each pair of LFs for independence given the class.

    Votes are vectors: 1 at the class that is voted for. Given class y, and were LFs independent,
    the covariance of two such vectors would be zero. It is summed over the classes, each row
    counted in class y by its posterior, and set against its variance under independence, with
    S_jy the covariance matrix of the votes of LF j in class y:

    ``T = sum over i, y of p_iy <x_ij - mu_jy, x_ik - mu_ky>``,
    ``var T = sum over y of n_y tr(S_jy S_ky)``

    Two LFs of several classes are compared on the rows on which both vote, where their abstentions
    are missing values. If one of them votes for one class only, what it says is that it fires:
    then all rows count, and that one is silent is a vote for none of the classes.

    Parameters
    ----------
    cast : csr_array of shape (u, m * C)
        1 at column ``j * C + v`` where LF j votes v.
    weights : ndarray of shape (u,)
        How many rows each stands for.
    p : ndarray of shape (u, C)
        Class probabilities; 1 at the class where it is known.
    one_class : ndarray of bool, shape (m,)
    """
    n_classes = p.shape[1]
    m = cast.shape[1] // n_classes
    votes = [cast[:, v::n_classes].tocsr() for v in range(n_classes)]
    fired = sum(votes[1:], votes[0])
    both_vote = ~(one_class[:, None] | one_class[None, :])
    total, variance, mine, theirs = (np.zeros((m, m)) for _ in range(4))
    for y in range(n_classes):
        rows = weights * p[:, y]
        n = np.where(both_vote, _pairs(fired, fired, rows), max(rows.sum(), 1e-300))
        n = np.maximum(n, 1e-300)
        same, even, cubes, squares = (np.zeros((m, m)) for _ in range(4))
        for v in range(n_classes):
            same += _pairs(votes[v], votes[v], rows)
            everywhere = np.asarray(votes[v].T @ rows)[:, None]
            a = np.where(both_vote, _pairs(votes[v], fired, rows), everywhere) / n
            b = a.T
            even += a * b
            cubes += a * b * (a + b)
            squares += a**2
        voting = np.where(both_vote, 1.0, np.asarray(fired.T @ rows)[:, None] / n)
        total += same - n * even
        variance += n * np.maximum(even - cubes + even**2, 0)
        mine += n * (voting - squares)
        theirs += n * (voting - squares).T
    scale = np.sqrt(np.maximum(mine * theirs, 0))
    told = (scale > 1e-9 * max(weights.sum(), 1e-300)) & (variance > 0)
    np.fill_diagonal(told, False)
    correlation = np.where(told, total / np.where(told, scale, 1), 0.0)
    z = np.where(told, total / np.sqrt(np.where(told, variance, 1)), 0.0)
    return PairDependence(np.clip(correlation, -1, 1), z, _pairs(fired, fired, weights))


def _pairs(left: sp.csr_array, right: sp.csr_array, rows: np.ndarray) -> np.ndarray:
    """Rows (m, m), each counted `rows` times, on which two columns are both 1."""
    weighted = sp.csr_array(
        (right.data * np.repeat(rows, np.diff(right.indptr)), right.indices, right.indptr),
        shape=right.shape,
    )
    return np.asarray((left.T @ weighted).todense())


def effective_number(correlation: np.ndarray) -> float:
    """Return how many independent LFs the LFs are worth, from their correlations (m, m).

    An LF that n - 1 others repeat counts 1 / n: the sum over LFs of one over the sum of its
    correlations, its own of 1 among them. Negative correlations count as 0.

    Examples
    --------
    >>> copies = np.kron(np.eye(2), np.ones((3, 3)))
    >>> round(effective_number(copies), 9)
    2.0
    """
    others = np.maximum(correlation, 0.0)
    np.fill_diagonal(others, 0)
    return float((1 / (1 + others.sum(1))).sum())
