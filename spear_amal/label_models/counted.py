"""Rows of votes on disk, merged into distinct ones: what label models learn from out of core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from spear_amal.label_models.patterns import cast_votes, distinct_rows
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.votes.parquet import VoteFiles, parts_of


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
    held = [_nothing(votes)]
    for rows, part in parts_of(votes):
        known = np.full(len(part), ABSTAIN, dtype=np.int64) if gold is None else gold[rows]
        held.append(_merged([CountedRows(part, known, np.ones(len(part)))]))
        while len(held) > 1 and 2 * held[-1].L.nnz >= held[-2].L.nnz:
            held[-2:] = [_merged(held[-2:])]
    return _merged(held)


def _nothing(votes: VoteFiles) -> CountedRows:
    none = sp.csr_array((0, len(votes.lf_names)), dtype=np.int8)
    return CountedRows(_bare(none, votes), np.empty(0, dtype=np.int64), np.empty(0))


def _merged(some: list[CountedRows]) -> CountedRows:
    """Distinct rows of all."""
    codes = sp.csr_array(sp.vstack([rows.L.codes for rows in some], format="csr"))
    L = _bare(codes, some[0].L)
    gold = np.concatenate([rows.gold for rows in some])
    first, inverse = distinct_rows(cast_votes(L, L.n_classes), gold)
    n_rows = np.bincount(inverse, np.concatenate([rows.n_rows for rows in some]), len(first))
    return CountedRows(_bare(codes[first], L), gold[first], n_rows)


def _bare(codes: sp.csr_array, like: LabelMatrix | VoteFiles) -> LabelMatrix:
    """Votes without scores and ids."""
    return LabelMatrix(
        codes, lf_names=like.lf_names, classes=like.classes, lf_classes=like.lf_classes
    )
