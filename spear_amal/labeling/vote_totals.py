"""Counts of votes that may lie in parts on disk: those of each part, added up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spear_amal.labeling.statistics import VoteCounts
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import open_votes, parts_of


@dataclass(frozen=True)
class VoteTotals:
    """Counts that need no gold.

    Attributes
    ----------
    covered, overlapping, conflicted : int
        Rows with a vote, with two votes, with two different votes.
    fired, overlaps, conflicts : ndarray of int, shape (m,)
        Votes of each LF: all, on overlapping rows, on conflicted rows.
    votes : ndarray of int, shape (m, C)
        Votes of each LF for each class.
    """

    covered: int
    overlapping: int
    conflicted: int
    fired: np.ndarray
    overlaps: np.ndarray
    conflicts: np.ndarray
    votes: np.ndarray

    @classmethod
    def of(cls, counts: VoteCounts, n_classes: int) -> VoteTotals:
        """Count the votes of one matrix."""
        per_row, conflicted = counts.per_row(), counts.conflicted()
        overlapping = per_row > 1
        return cls(
            covered=int((per_row > 0).sum()),
            overlapping=int(overlapping.sum()),
            conflicted=int(conflicted.sum()),
            fired=counts.per_lf(),
            overlaps=counts.per_lf(overlapping),
            conflicts=counts.per_lf(conflicted),
            votes=counts.per_class(n_classes),
        )

    def __add__(self, other: VoteTotals) -> VoteTotals:
        return VoteTotals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class VotesInParts:
    """Votes in memory (one part) or in a folder, and counts over all of them.

    Gold classes are given for all rows (n,), in the order of the rows. Of a folder one part at a
    time is held, and each method reads it once; the totals are kept.

    Parameters
    ----------
    L : LabelMatrix, VoteFiles, path of such a folder, or integer array of shape (n, m)
    """

    def __init__(self, L: Any) -> None:
        self.L = open_votes(L)
        self._whole = VoteCounts(self.L) if isinstance(self.L, LabelMatrix) else None

    def parts(self) -> Iterator[tuple[slice, VoteCounts]]:
        """Rows and counts of each part."""
        if self._whole is not None:
            yield slice(0, len(self.L)), self._whole
            return
        for rows, part in parts_of(self.L):
            yield rows, VoteCounts(part)

    @cached_property
    def totals(self) -> VoteTotals:
        """Counts that need no gold."""
        m, n_classes = self.L.shape[1], self.L.n_classes
        none = np.zeros(m, dtype=np.int64)
        total = VoteTotals(0, 0, 0, none, none, none, np.zeros((m, n_classes), dtype=np.int64))
        for _, part in self.parts():
            total = total + VoteTotals.of(part, n_classes)
        return total

    def correct(self, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correct and incorrect votes (m,) of each LF, on rows with a gold class."""
        found = np.zeros((2, self.L.shape[1]), dtype=np.int64)
        for rows, part in self.parts():
            found += part.correct(gold[rows])
        return found[0], found[1]

    def tables(self, gold: np.ndarray, k: int) -> np.ndarray:
        """Count votes -1..k-1 by gold class (m, k+1, k)."""
        total = np.zeros((self.L.shape[1], k + 1, k))
        for rows, part in self.parts():
            total += part.tables(gold[rows], k)
        return total

    def overlaps(self) -> np.ndarray:
        """Rows on which both of two LFs fired, (m, m)."""
        return self._pairs(VoteCounts.overlaps)

    def agreements(self) -> np.ndarray:
        """Rows on which two LFs cast the same vote, (m, m)."""
        return self._pairs(VoteCounts.agreements)

    def _pairs(self, count: Any) -> np.ndarray:
        total = np.zeros((self.L.shape[1], self.L.shape[1]))
        for _, part in self.parts():
            total += count(part)
        return total

    def column(self, j: int) -> np.ndarray:
        """Votes (n,) of LF j, -1 for abstain."""
        found = np.full(len(self.L), -1)
        for rows, part in self.parts():
            own = part.columns == j
            found[rows.start + part.rows[own]] = part.votes[own]
        return found

    def row_ids(self, rows: np.ndarray) -> np.ndarray:
        """Ids of some rows, given by their numbers in rising order."""
        if isinstance(self.L, LabelMatrix):
            return self.L.row_ids[rows]
        if not self.L.files:
            return np.empty(0, dtype=np.int64)
        which = np.searchsorted(self.L.starts[1:], rows, side="right")
        wanted = np.unique(which) if len(rows) else [0]  # a part is read for the type of its ids
        found = [self.L.part(i).row_ids[rows[which == i] - self.L.starts[i]] for i in wanted]
        return np.concatenate(found)
