"""How the numbers of a column lie, by class: what a threshold is chosen by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BINS = 40


@dataclass(frozen=True)
class Distribution:
    """Numbers of a column in bins of one width.

    Attributes
    ----------
    edges : ndarray (bins + 1,)
    counts : ndarray of int (bins,)
        All rows.
    of_class : ndarray of int (bins, C)
        Rows with gold.
    n_missing : int
        Rows without a finite number.
    """

    edges: np.ndarray
    counts: np.ndarray
    of_class: np.ndarray
    n_missing: int

    @classmethod
    def of(cls, values: np.ndarray, gold: np.ndarray, n_classes: int) -> Distribution:
        """Count numbers (n,), NaN where there is none, with gold (n,), -1 where unknown.

        Examples
        --------
        >>> found = Distribution.of(np.array([0.0, 1, 1, 4, np.nan]), np.array([0, 1, -1, 1, 0]), 2)
        >>> found.counts[[0, 10, -1]].tolist(), found.of_class.sum(axis=0).tolist(), found.n_missing
        ([1, 2, 1], [1, 2], 1)
        """
        known = np.isfinite(values)
        edges = np.histogram_bin_edges(values[known], _BINS)
        counts = np.histogram(values[known], edges)[0]
        of_class = [np.histogram(values[known & (gold == c)], edges)[0] for c in range(n_classes)]
        table = np.stack(of_class, axis=1) if of_class else np.zeros((len(counts), 0), np.int64)
        return cls(edges, counts, table, int((~known).sum()))

    def place(self, value: float, width: float) -> float:
        """Return where a number lies on an axis of some width, at an end if it is beyond."""
        share = (value - self.edges[0]) / (self.edges[-1] - self.edges[0])
        return round(float(np.clip(share, 0, 1)) * width, 1)

    def bars(self, width: float, height: float) -> list[tuple[int, float, float, float, float]]:
        """Return rectangles to draw: class code or -1 for all rows, x, y, width, height.

        Classes stand on one another. They and all rows have scales of their own, since few rows
        have gold.
        """
        step = width / len(self.counts)
        bars = []
        for k, count in enumerate(self.counts.tolist()):
            size = height * count / max(self.counts.max(), 1)
            bars.append((-1, k * step, height - size, step, size))
        unit = height / max(self.of_class.sum(axis=1, initial=0).max(), 1)
        tops = np.cumsum(self.of_class, axis=1)
        for k, code in np.argwhere(self.of_class).tolist():
            size = unit * int(self.of_class[k, code])
            y = height - unit * int(tops[k, code])
            bars.append((code, (k + 0.2) * step, y, 0.6 * step, size))
        return [(code, *(round(float(part), 1) for part in rest)) for code, *rest in bars]  # type: ignore[misc]
