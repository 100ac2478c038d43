"""Facility location: choose k of n points such that every point is near a chosen one.

Maximises ``f(S) = sum_i (c - min_{j in S} |x_i - x_j|)``, with c no smaller than any distance, by
the greedy algorithm; f is monotone and submodular, so greedy reaches (1 - 1/e) of the best
(Nemhauser, Wolsey and Fisher, 1978). The lazy form (Minoux, 1978) makes the same choices: a gain
computed earlier bounds it now, so that most need not be computed again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from spear_amal.errors import InputError

# Largest matrix of distances, in entries, that is held as a whole (256 MB in float32). A larger
# set's rows are computed each time they are asked for: slower, in memory proportional to n.
MAX_ENTRIES = 64_000_000
# Entries of a block of distances that is computed at once, in float64 (32 MB).
BLOCK = 4_000_000


class Distances:
    """Euclidean distances (n, n) between points (n, H), by row, in float32.

    Parameters
    ----------
    points : ndarray of shape (n, H)
    max_entries : int
        Most entries for which the whole matrix is kept in memory.
    """

    def __init__(self, points: np.ndarray, max_entries: int = MAX_ENTRIES) -> None:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or not np.isfinite(points).all():
            raise InputError(
                f"points must be finite and of shape (n, H), found shape {points.shape}"
            )
        self.n = len(points)
        # Centred, so that squares lose few digits to the points' common part.
        self.points = points - (points.mean(0) if self.n else 0.0)
        self.squares = np.square(self.points).sum(1)
        # No distance is larger, by the triangle inequality through the mean.
        self.largest = float(2 * np.sqrt(self.squares.max(initial=0.0)))
        every = np.arange(self.n)
        self.matrix = None
        if self.n * self.n <= max_entries:
            self.matrix = np.empty((self.n, self.n), dtype=np.float32)
            for block in self.blocks(every):
                self.matrix[block] = self._compute(block)

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Cut row numbers into pieces whose distances fit into memory."""
        size = max(1, BLOCK // max(self.n, 1))
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Distances (len(rows), n) of points to all points."""
        return self._compute(rows) if self.matrix is None else self.matrix[rows]

    def _compute(self, rows: np.ndarray) -> np.ndarray:
        product = self.points[rows] @ self.points.T
        squares = self.squares[rows][:, None] + self.squares - 2 * product
        distances = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
        distances[np.arange(len(rows)), rows] = 0.0  # exactly, where rounding leaves a rest
        return distances


def facility_location(distances: Distances, budget: int) -> np.ndarray:
    """Choose `budget` points greedily; of equal ones the first.

    Parameters
    ----------
    distances : Distances
        Of n points.
    budget : int
        From 0 to n.

    Returns
    -------
    ndarray of int, shape (budget,)
        Row numbers in the order in which they were chosen.
    """
    if not 0 <= budget <= distances.n:
        raise InputError(f"budget must lie between 0 and {distances.n} points, found {budget}")
    nearest = np.full(distances.n, distances.largest, dtype=np.float32)
    every = np.arange(distances.n)
    bounds = [gains(nearest, distances.rows(block)) for block in distances.blocks(every)]
    heap = [(-gain, j) for j, gain in enumerate(np.concatenate([np.zeros(0), *bounds]).tolist())]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < budget:
        _, j = heapq.heappop(heap)
        row = distances.rows(np.array([j]))
        now = (-float(gains(nearest, row)[0]), j)
        if heap and now > heap[0]:
            heapq.heappush(heap, now)
            continue
        chosen.append(j)
        nearest = np.minimum(nearest, row[0])
    return np.array(chosen, dtype=np.int64)


def gains(nearest: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """By how much f grows with each candidate (k,), from distances (n,) so far and its own (k, n).

    A gain never grows when `nearest` shrinks, rounding included, as sums are made in one order.
    """
    return np.maximum(nearest - rows, 0).sum(axis=1, dtype=np.float64)


def cluster_sizes(
    distances: Distances, chosen: np.ndarray, radius: float | None = None
) -> np.ndarray:
    """Count the points that each chosen one stands for, itself among them (len(chosen),).

    Those within `radius` of it, which may count for several or for none; with None those to which
    it is the nearest, the first chosen of equals, so that the sizes sum to n.
    """
    if radius is not None:
        sizes = [(distances.rows(b) <= radius).sum(1) for b in distances.blocks(chosen)]
        return np.concatenate([np.zeros(0, dtype=np.int64), *sizes])
    nearest = np.full(distances.n, np.inf, dtype=np.float32)
    owner = np.zeros(distances.n, dtype=np.int64)
    for place, j in enumerate(chosen):
        row = distances.rows(np.array([j]))[0]
        owner[row < nearest] = place
        nearest = np.minimum(nearest, row)
    return np.bincount(owner, minlength=len(chosen)) if len(chosen) else owner[:0]
