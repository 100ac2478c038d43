"""The one loop that applies labelling functions; the appliers are thin containers around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from spear_amal.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.labeling.answers import AnswerReader, score_column, score_of
from spear_amal.labeling.classes import ClassSet
from spear_amal.labeling.faults import FaultBook
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.prepared import Failure, PreparedRows
from spear_amal.labeling.preprocess import flat_chain
from spear_amal.labeling.sources import Source

# Rows prepared at a time: bounds how many preprocessed rows (parsed texts) exist at once.
CHUNK = 1024

# Codes (n,) and scores (n,) of one LF on n rows.
Column = tuple[np.ndarray, np.ndarray]


class Labelling:
    """One application of a set of LFs to a source of rows.

    Parameters
    ----------
    lfs : sequence of LabelingFunction
    classes : ClassSet
    source : Source
    book : FaultBook
    advance : callable
        Told the number of (row, LF) pairs done; a progress bar.
    """

    def __init__(
        self,
        lfs: Sequence[LabelingFunction],
        classes: ClassSet,
        source: Source,
        book: FaultBook,
        advance: Callable[[int], None],
    ) -> None:
        self._lfs = lfs
        self._classes = classes
        self._readers = [AnswerReader(lf, classes) for lf in lfs]
        self._source, self._book, self._advance = source, book, advance
        self._found: list[tuple[np.ndarray, ...]] = []

    def run(self, batch_size: int | None = None) -> LabelMatrix:
        """Label matrix of all rows, in their order."""
        for j, lf in enumerate(self._lfs):
            if lf.vectorized:
                for start, stop in _spans(self._source.n, batch_size or self._source.n):
                    self._keep(j, start, self._batch_column(j, start, stop))
        row_lfs = [j for j, lf in enumerate(self._lfs) if not lf.vectorized]
        for start, stop in _spans(self._source.n, CHUNK) if row_lfs else ():
            prepared = PreparedRows(self._source.rows(start, stop))
            for j in row_lfs:
                rows = prepared.get(flat_chain(self._lfs[j].pre))
                self._keep(j, start, self._row_column(self._lfs[j], j, rows, start))
        return self._matrix()

    def _row_column(self, lf: LabelingFunction, j: int, rows: list[Any], start: int) -> Column:
        codes = np.full(len(rows), ABSTAIN)
        scores = np.zeros(len(rows))
        for i, x in enumerate(rows):
            try:
                if isinstance(x, Failure):
                    raise x.error
                answer, score = lf.evaluate(x)
                if lf.scorer is not None:
                    scores[i] = score_of(score)
                codes[i] = self._readers[j].code(answer)
            except Exception as error:
                self._book.report(lf.name, start + i, error)
        return self._clipped(lf, codes, scores)

    def _batch_column(self, j: int, start: int, stop: int) -> Column:
        lf, n = self._lfs[j], stop - start
        batch = self._source.batch(start, stop)
        try:
            answers, answered_scores = lf.evaluate(batch)
            codes, bad = self._readers[j].codes(answers, batch, n)
            scores = np.zeros(n)
            if lf.scorer is not None:
                scores, bad_scores = score_column(answered_scores, n)
                bad = bad | bad_scores
        except Exception as error:
            return self._after_failure(j, start, stop, error)
        for row, reason in bad.items():
            self._book.report(lf.name, start + row, reason)
        codes[list(bad)] = ABSTAIN
        return self._clipped(lf, codes, scores)

    def _after_failure(self, j: int, start: int, stop: int, error: Exception) -> Column:
        """Find the rows that fail if the LF has a row form; else all rows of the batch failed."""
        row_form = self._lfs[j].row_form
        if row_form is not None:
            return self._row_column(row_form, j, self._source.rows(start, stop), start)
        for row in range(start, stop):
            self._book.report(self._lfs[j].name, row, error)
        return np.full(stop - start, ABSTAIN), np.zeros(stop - start)

    def _clipped(self, lf: LabelingFunction, codes: np.ndarray, scores: np.ndarray) -> Column:
        outside = (codes != ABSTAIN) & ((scores < 0) | (scores > 1))
        self._book.clip(lf.name, int(outside.sum()))
        return codes, np.clip(scores, 0, 1)

    def _keep(self, j: int, start: int, column: Column) -> None:
        codes, scores = column
        fired = np.flatnonzero(codes != ABSTAIN)
        self._found.append((fired + start, np.full(len(fired), j), codes[fired], scores[fired]))
        self._advance(len(codes))

    def _matrix(self) -> LabelMatrix:
        empty = np.empty(0, dtype=np.int64)
        parts = [np.concatenate([empty, *part]) for part in zip(*self._found, strict=True)]
        rows, columns, codes, scores = parts or [empty] * 4
        continuous = [lf.continuous for lf in self._lfs]
        return LabelMatrix.from_triplets(
            rows,
            columns,
            codes,
            (self._source.n, len(self._lfs)),
            scores=scores if any(continuous) else None,
            continuous=continuous,
            lf_names=[lf.name for lf in self._lfs],
            classes=self._classes.names,
            row_ids=self._source.ids,
            lf_classes=[reader.declared for reader in self._readers],
        )


def _spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, max(size, 1)):
        yield start, min(start + size, n)
