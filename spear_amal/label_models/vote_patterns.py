"""Rows with the same votes, merged: label models then work on distinct vote patterns only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.votes.parquet import VoteFiles, parts_of


@dataclass(frozen=True)
class VotePatterns:
    """The u distinct rows of a label matrix.

    Attributes
    ----------
    cast : csr_array of shape (u, m * C), float64
        1 at column ``j * C + v`` where LF j votes v.
    n_rows : ndarray of shape (u,), float64
        Rows that show the pattern.
    gold : ndarray of shape (u,), int64
        Gold class of those rows, -1 where unknown; rows of other gold are another pattern.
    inverse : ndarray of shape (n,), int64
        Pattern of each row.
    """

    cast: sp.csr_array
    n_rows: np.ndarray
    gold: np.ndarray
    inverse: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Patterns (u,) with at least one vote."""
        return np.diff(self.cast.indptr) > 0


def cast_votes(L: LabelMatrix, n_classes: int) -> sp.csr_array:
    """Votes as a 0/1 matrix (n, m * C): column ``j * C + v`` says that LF j votes v."""
    codes = L.codes.sorted_indices()
    shape = (len(L), L.shape[1] * n_classes)
    narrow = shape[1] <= np.iinfo(np.int32).max
    columns = codes.indices.astype(np.int32 if narrow else np.int64) * n_classes + codes.data - 1
    return sp.csr_array((np.ones(len(columns)), columns, codes.indptr), shape=shape)


def find_patterns(
    L: LabelMatrix, n_classes: int, y: np.ndarray | None = None, n_rows: np.ndarray | None = None
) -> VotePatterns:
    """Merge rows with the same votes (and the same gold class, if `y` (n,) is given).

    Their order depends on which patterns there are, not on the order or the number of the rows.

    Parameters
    ----------
    L : LabelMatrix of shape (n, m)
    n_classes : int
    y : ndarray of int, shape (n,), optional
        Gold classes, -1 where unknown.
    n_rows : ndarray of shape (n,), optional
        How many rows each row of `L` stands for; 1 by default.
    """
    cast = cast_votes(L, n_classes)
    gold = np.full(len(L), ABSTAIN, dtype=np.int64) if y is None else y.astype(np.int64)
    first, inverse = distinct_rows(cast, gold)
    counts = np.bincount(inverse, n_rows, minlength=len(first)).astype(float)
    return VotePatterns(cast[first].tocsr(), counts, gold[first], inverse)


def distinct_rows(cast: sp.csr_array, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First of each kind of row (u,), and the kind (n,) of each, of votes (n, w) and gold (n,).

    Exact, without a hash: rows are grouped by their number of votes, and within a group compared
    as strings of bytes. The only loop runs over the numbers of votes that occur, at most m + 1.
    """
    narrow = np.min_scalar_type(max(cast.shape[1], int(gold.max(initial=0)) + 1))
    lengths = np.diff(cast.indptr)
    inverse = np.empty(len(gold), dtype=np.int64)
    first: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    n_found = 0
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        keys = np.empty((len(rows), length + 1), dtype=narrow)
        keys[:, 0] = gold[rows] + 1
        keys[:, 1:] = cast.indices[cast.indptr[rows][:, None] + np.arange(length)]
        _, at, which = np.unique(_as_bytes(keys), return_index=True, return_inverse=True)
        inverse[rows] = n_found + which
        first.append(rows[at])
        n_found += len(at)
    return np.concatenate(first), inverse


def _as_bytes(keys: np.ndarray) -> np.ndarray:
    """Each row of integers (n, w) as one opaque item (n,), which sorts faster than w columns."""
    return keys.view(np.dtype((np.void, keys.itemsize * keys.shape[1]))).ravel()


def vote_sums(
    indptr: np.ndarray, votes: np.ndarray, n_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the votes of each row for each class (n, C), in one pass over all that were cast.

    Parameters
    ----------
    indptr : ndarray of int, shape (n + 1,)
        Where the votes of each row start, as in a CSR matrix.
    votes : ndarray of int, shape (nnz,)
        Class of each vote.
    n_classes : int
    weights : ndarray of shape (nnz,), optional
        How much each vote counts; 1 by default.
    """
    n = len(indptr) - 1
    cells = np.repeat(np.arange(n), np.diff(indptr)) * n_classes + votes
    sums = np.bincount(cells, weights, minlength=n * n_classes)
    if weights is not None:
        sums = sums.astype(float, copy=False)  # without any vote NumPy gives whole numbers
    return sums.reshape(n, n_classes)


def majority_shares(L: LabelMatrix, n_classes: int) -> np.ndarray:
    """Return 1 for the class with most votes of each row (n, C), a k-th where k classes tie."""
    counts = vote_sums(L.codes.indptr, L.codes.data - 1, n_classes)
    top = counts == counts.max(1, keepdims=True)
    return top / top.sum(1, keepdims=True)


def vote_shares(patterns: VotePatterns, n_classes: int) -> np.ndarray:
    """Share of each class in the votes of a pattern (u, C); even without votes; gold where known.

    The start of EM.
    """
    counts = vote_sums(patterns.cast.indptr, patterns.cast.indices % n_classes, n_classes)
    counts[~patterns.covered] = 1
    shares = counts / counts.sum(1, keepdims=True)
    known = np.flatnonzero(patterns.gold >= 0)
    shares[known] = np.eye(n_classes)[patterns.gold[known]]
    return shares


class CountedRows(NamedTuple):
    """Distinct rows of votes and gold, without scores.

    Attributes
    ----------
    L : LabelMatrix of shape (u, m)
    gold : ndarray of int, shape (u,)
        -1 where unknown.
    n_rows : ndarray of float, shape (u,)
        How many rows each stands for.
    """

    L: LabelMatrix
    gold: np.ndarray
    n_rows: np.ndarray


def count_rows(votes: VoteFiles, gold: np.ndarray | None = None) -> CountedRows:
    """Merge rows with the same votes and the same gold class (n,), part by part.

    Memory and the number of merges are bounded by the distinct rows and the largest part: what is
    merged already is merged again only with something at least half as large.
    """
    merges = [_nothing(votes)]
    for rows, part in parts_of(votes):
        known = np.full(len(part), ABSTAIN, dtype=np.int64) if gold is None else gold[rows]
        merges.append(_merged([CountedRows(_bare(part.codes, part), known, np.ones(len(part)))]))
        while len(merges) > 1 and 2 * merges[-1].L.nnz >= merges[-2].L.nnz:
            merges[-2:] = [_merged(merges[-2:])]
    return _merged(merges)


def _nothing(votes: VoteFiles) -> CountedRows:
    none = sp.csr_array((0, len(votes.lf_names)), dtype=np.int8)
    return CountedRows(_bare(none, votes), np.empty(0, dtype=np.int64), np.empty(0))


def _merged(some: list[CountedRows]) -> CountedRows:
    """Distinct rows of all."""
    L = LabelMatrix.concatenate(rows.L for rows in some)
    gold = np.concatenate([rows.gold for rows in some])
    first, inverse = distinct_rows(cast_votes(L, L.n_classes), gold)
    n_rows = np.bincount(inverse, np.concatenate([rows.n_rows for rows in some]), len(first))
    return CountedRows(_bare(L.codes[first], L), gold[first], n_rows)


def _bare(codes: sp.csr_array, like: LabelMatrix | VoteFiles) -> LabelMatrix:
    """Votes without scores and ids."""
    return LabelMatrix(
        codes, lf_names=like.lf_names, classes=like.classes, lf_classes=like.lf_classes
    )
