"""Votes of some LFs on some rows, put together to one label matrix."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from spear_amal.labeling.answers import AnswerReader
from spear_amal.labeling.classes import ClassSet
from spear_amal.labeling.faults import KEPT_TRACEBACKS, ApplierMetadata
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.votes.label_matrix import LabelMatrix


class Column(NamedTuple):
    """Votes of one LF: numbers of the rows on which it fired, votes and scores there, (k,) each."""

    rows: np.ndarray
    votes: np.ndarray
    scores: np.ndarray


def columns_of(votes: LabelMatrix) -> list[Column]:
    """Votes of each LF of a label matrix."""
    codes = votes.codes.tocsc()
    scores = np.zeros(codes.nnz, np.float32) if votes.scores is None else votes.scores.tocsc().data
    spans = [slice(*ends) for ends in itertools.pairwise(codes.indptr.tolist())]
    cast = codes.data.astype(np.int64) - 1
    return [Column(codes.indices[s].astype(np.int64), cast[s], scores[s]) for s in spans]


class Gathering:
    """Collects votes by LF and row, in any order.

    Parameters
    ----------
    lfs : sequence of LabelingFunction
    classes : ClassSet
    """

    def __init__(self, lfs: Sequence[LabelingFunction], classes: ClassSet) -> None:
        self._lfs, self._classes = lfs, classes
        self._found: list[tuple[np.ndarray, ...]] = []

    def add(self, votes: LabelMatrix, lfs: Sequence[int], start: int = 0) -> None:
        """Take votes of the LFs with these numbers on the rows from `start` on."""
        codes = votes.codes.sorted_indices()
        rows = np.repeat(np.arange(len(votes)), np.diff(codes.indptr))
        scores = None if votes.scores is None else votes.scores.sorted_indices()
        self._found.append(
            (
                rows + start,
                np.asarray(lfs, dtype=np.int64)[codes.indices],
                codes.data.astype(np.int64) - 1,
                np.zeros(codes.nnz, np.float32) if scores is None else scores.data,
            )
        )

    def add_column(self, column: Column, lf: int) -> None:
        """Take all votes of one LF."""
        self._found.append(
            (column.rows, np.full(len(column.rows), lf), column.votes, column.scores)
        )

    def matrix(self, n: int, ids: Any) -> LabelMatrix:
        """Label matrix of all votes, on n rows with these ids."""
        empty = np.empty(0, dtype=np.int64)
        parts = [np.concatenate([empty, *part]) for part in zip(*self._found, strict=True)]
        rows, columns, votes, scores = parts or [empty] * 4
        continuous = [lf.continuous for lf in self._lfs]
        return LabelMatrix.from_triplets(
            rows,
            columns,
            votes,
            (n, len(self._lfs)),
            scores=scores if any(continuous) else None,
            continuous=continuous,
            lf_names=[lf.name for lf in self._lfs],
            classes=self._classes.names,
            row_ids=ids,
            lf_classes=[AnswerReader(lf, self._classes).declared for lf in self._lfs],
        )


def merged(metas: Iterable[ApplierMetadata]) -> ApplierMetadata:
    """Sum of what went wrong, with the first tracebacks of each LF; `metas` in row order."""
    total = ApplierMetadata({}, {}, {})
    for meta in metas:
        for name, count in meta.faults.items():
            total.faults[name] = total.faults.get(name, 0) + count
        for name, faults in meta.tracebacks.items():
            kept = total.tracebacks.setdefault(name, [])
            kept += faults[: KEPT_TRACEBACKS - len(kept)]
        for name, count in meta.clipped.items():
            total.clipped[name] = total.clipped.get(name, 0) + count
    return total
