"""Applying LFs in several processes, and collecting their votes into one label matrix."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from spear_amal.io.leftovers import scratch_folder
from spear_amal.labeling.apply_lfs import CHUNK, LFRunner
from spear_amal.labeling.builders import ColumnLF
from spear_amal.labeling.data_points import RowSource
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.lf_outputs import (
    KEPT_TRACEBACKS,
    ApplierMetadata,
    FailureLog,
    OutputParser,
)
from spear_amal.labeling.worker_pool import dump, map_in_processes
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.label_matrix import LabelMatrix

# Spans for each process: enough that none waits long for the last one.
SPANS_EACH = 8
LONGEST_SPAN = 64 * CHUNK

Labelled = tuple[LabelMatrix, ApplierMetadata]


class Span(NamedTuple):
    """Rows start..stop-1, and where they are in the file."""

    start: int
    stop: int
    offset: int


def label(
    lfs: Sequence[LabelingFunction],
    classes: ClassSet,
    source: RowSource,
    tolerant: bool,
    advance: Callable[[int], None],
    batch_size: int | None,
    n_jobs: int = 1,
) -> Labelled:
    """Votes of LFs on a source, and what went wrong.

    With several processes, a vectorised function of the user's still runs here, on the same batches
    as with one: it may look at a batch as a whole. All other LFs look at single rows.
    """
    if n_jobs == 1 or source.n < 2:
        book = FailureLog(source.ids, tolerant)
        return LFRunner(lfs, classes, source, book, advance).run(batch_size), book.meta
    whole = [j for j, lf in enumerate(lfs) if lf.vectorized and not isinstance(lf, ColumnLF)]
    rowwise = [j for j in range(len(lfs)) if j not in set(whole)]
    gathering, metas = LabelMatrixBuilder(lfs, classes), []
    if whole:
        chosen = [lfs[j] for j in whole]
        votes, meta = label(chosen, classes, source, tolerant, advance, batch_size)
        gathering.add(votes, whole)
        metas.append(meta)
    if rowwise:
        chosen = [lfs[j] for j in rowwise]
        for start, rows, (votes, meta) in _spans_labelled(
            chosen, classes, source, tolerant, n_jobs
        ):
            gathering.add(votes, rowwise, start)
            metas.append(meta)
            advance(rows * len(chosen))
    return gathering.matrix(source.n, source.ids), merged(metas)


def _spans_labelled(
    lfs: list[LabelingFunction], classes: ClassSet, source: RowSource, tolerant: bool, n_jobs: int
) -> Iterator[tuple[int, int, Labelled]]:
    """First row, number of rows and votes of one span after the other."""
    with scratch_folder() as folder:
        path = folder / "rows"
        spans = _write_rows(path, source, n_jobs)
        work = _SpanWork(lfs, classes, type(source), str(path), source.ids is None, tolerant)
        labelled = map_in_processes(work, spans, n_jobs, _describe)
        for span, votes in zip(spans, labelled, strict=True):
            yield span.start, span.stop - span.start, votes


@dataclass(frozen=True)
class _SpanWork:
    lfs: list[LabelingFunction]
    classes: ClassSet
    kind: type
    path: str
    by_number: bool
    tolerant: bool

    def __call__(self, span: Span) -> Labelled:
        with open(self.path, "rb") as file:
            file.seek(span.offset)
            # Written by this program a moment ago, for its own processes.
            source = self.kind(pickle.load(file))  # noqa: S301
        ids = range(span.start, span.stop) if self.by_number else source.ids
        book = FailureLog(ids, self.tolerant)
        source.ids = None  # whoever gathers the votes knows them
        votes = LFRunner(self.lfs, self.classes, source, book, lambda steps: None).run()
        return votes, book.meta


def _write_rows(path: Path, source: RowSource, n_jobs: int) -> list[Span]:
    """Write the rows to a file, span by span: workers read theirs, and no more."""
    spans = []
    with open(path, "wb") as file:
        size = span_size(source.n, n_jobs)
        for start in range(0, source.n, size):
            stop = min(start + size, source.n)
            spans.append(Span(start, stop, file.tell()))
            dump(source.batch(start, stop), file)
    return spans


def span_size(n: int, n_jobs: int) -> int:
    """Rows of a task; whole chunks of the serial loop, so that the first error is the same one.

    Examples
    --------
    >>> span_size(100_000, 2), span_size(500, 2), span_size(10**8, 2)
    (7168, 250, 65536)
    """
    if n < CHUNK * n_jobs:
        return max(-(-n // n_jobs), 1)
    chunks = -(-n // (n_jobs * SPANS_EACH * CHUNK))
    return min(chunks * CHUNK, LONGEST_SPAN)


def _describe(span: Span) -> str:
    return f"rows {span.start} to {span.stop - 1} (counted from 0)"


class VoteColumn(NamedTuple):
    """Votes of one LF: numbers of the rows on which it fired, votes and scores there, (k,) each."""

    rows: np.ndarray
    votes: np.ndarray
    scores: np.ndarray


def columns_of(votes: LabelMatrix) -> list[VoteColumn]:
    """Votes of each LF of a label matrix."""
    codes = votes.codes.tocsc()
    scores = np.zeros(codes.nnz, np.float32) if votes.scores is None else votes.scores.tocsc().data
    spans = [slice(*ends) for ends in itertools.pairwise(codes.indptr.tolist())]
    cast = codes.data.astype(np.int64) - 1
    return [VoteColumn(codes.indices[s].astype(np.int64), cast[s], scores[s]) for s in spans]


class LabelMatrixBuilder:
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
        """Add votes of the LFs with these numbers on the rows from `start` on."""
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

    def add_column(self, column: VoteColumn, lf: int) -> None:
        """Add all votes of one LF."""
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
            lf_classes=[OutputParser(lf, self._classes).declared for lf in self._lfs],
        )


def stacked(
    labelled: Iterable[Labelled], lfs: Sequence[LabelingFunction], classes: ClassSet
) -> Labelled:
    """Return votes on consecutive rows, one part at least, as one label matrix of numbered rows."""
    codes, scores, metas = [], [], []
    for votes, meta in labelled:  # no more of each part is kept than goes into the whole
        codes.append(votes.codes)
        scores.append(votes.scores)
        metas.append(meta)
    continuous = [lf.continuous for lf in lfs]
    whole = LabelMatrix(
        sp.vstack(codes, format="csr"),
        scores=sp.vstack(scores, format="csr") if any(continuous) else None,
        continuous=continuous,
        lf_names=[lf.name for lf in lfs],
        classes=classes.names,
        lf_classes=[OutputParser(lf, classes).declared for lf in lfs],
    )
    return whole, merged(metas)


def merged(metas: Iterable[ApplierMetadata]) -> ApplierMetadata:
    """Sum of what went wrong, with the first tracebacks of each LF; `metas` in row order."""
    total = ApplierMetadata.empty()
    for meta in metas:
        for name, count in meta.faults.items():
            total.faults[name] = total.faults.get(name, 0) + count
        for name, faults in meta.tracebacks.items():
            kept = total.tracebacks.setdefault(name, [])
            kept += faults[: KEPT_TRACEBACKS - len(kept)]
        for name, count in meta.clipped.items():
            total.clipped[name] = total.clipped.get(name, 0) + count
        for name, reasons in meta.abstentions.items():
            sums = Counter(total.abstentions.get(name, {})) + Counter(reasons)
            total.abstentions[name] = dict(sorted(sums.items()))
    return total
