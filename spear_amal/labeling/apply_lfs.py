"""The one loop that applies labelling functions; the appliers are thin containers around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import InputError
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.data_points import RowSource, get_column
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.lf_outputs import (
    FailureLog,
    InvalidOutput,
    OutputParser,
    evaluated,
    score_column,
    score_of,
)
from spear_amal.labeling.preprocessing import Failure, PreparedRows, flat_chain
from spear_amal.labeling.text_chunks import TextChunk, text_chunks
from spear_amal.labeling.text_search import Candidates, TextScanner
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

# Rows prepared at a time: bounds how many preprocessed rows (parsed texts) exist at once.
CHUNK = 1024

# Codes (n,) of one LF on n rows, and scores (n,) if it gives any.
CodesAndScores = tuple[np.ndarray, np.ndarray | None]


class LFRunner:
    """One application of a set of LFs to a source of rows.

    Parameters
    ----------
    lfs : sequence of LabelingFunction
    classes : ClassSet
    source : Source
    book : FailureLog
    advance : callable
        Told the number of (row, LF) pairs done; a progress bar.
    """

    def __init__(
        self,
        lfs: Sequence[LabelingFunction],
        classes: ClassSet,
        source: RowSource,
        book: FailureLog,
        advance: Callable[[int], None],
    ) -> None:
        self._lfs = lfs
        self._classes = classes
        self._readers = [OutputParser(lf, classes) for lf in lfs]
        self._source, self._book, self._advance = source, book, advance
        # Rows, codes and scores of the votes of each LF, span by span.
        self._found: list[list[tuple[Any, ...]]] = [[] for _ in lfs]

    def run(self, batch_size: int | None = None) -> LabelMatrix:
        """Label matrix of all rows, in their order."""
        n = self._source.n
        joined = self._groups()
        for name, lfs in joined.items():
            scanner = TextScanner([self._lfs[j].needed for j in lfs])  # type: ignore[attr-defined]
            for start, stop in _spans(n, batch_size or n):
                self._search(name, lfs, scanner, start, stop)
        done = {j for lfs in joined.values() for j in lfs}
        for j, lf in enumerate(self._lfs):
            if lf.vectorized and j not in done:
                for start, stop in _spans(n, batch_size or n):
                    self._keep(j, start, self._batch_column(j, start, stop))
        row_lfs = [j for j, lf in enumerate(self._lfs) if not lf.vectorized]
        for start, stop in _spans(n, CHUNK) if row_lfs else ():
            prepared = PreparedRows(self._source.rows(start, stop))
            for j in row_lfs:
                rows = prepared.get(flat_chain(self._lfs[j].pre))
                self._keep(j, start, self._row_column(self._lfs[j], j, rows, start))
        return self._matrix()

    def _groups(self) -> dict[str, list[int]]:
        """LFs whose words are looked for together, by the column that they read."""
        groups: dict[str, list[int]] = {}
        for j, lf in enumerate(self._lfs):
            # A truth value without a class is a bad answer on every row: no row can be left out.
            if isinstance(lf, TextLF) and lf.needed is not None:
                if lf.answers is object or self._readers[j].declared != ABSTAIN:
                    groups.setdefault(lf.column, []).append(j)
        return groups

    def _search(
        self, name: str, lfs: list[int], scanner: TextScanner, start: int, stop: int
    ) -> None:
        """Apply LFs that read one column of texts: each tests the texts with its words only."""
        try:
            chunks = text_chunks(get_column(self._source.batch(start, stop), name))
        except InputError:
            chunks = None
        if chunks is None:
            # One by one; each LF says what is wrong with the column or with a value.
            for j in lfs:
                self._keep(j, start, self._batch_column(j, start, stop))
            return
        for chunk in chunks:
            for j, candidates in zip(lfs, scanner.scan(chunk), strict=True):
                rows, codes = self._test_texts(j, chunk, candidates, start)
                self._found[j].append((rows + start, codes, None))
                self._advance(len(chunk))
            start += len(chunk)

    def _test_texts(
        self, j: int, chunk: TextChunk, candidates: Candidates, start: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a chunk on which an LF fires, in order, and its codes on them."""
        lf, reader = cast(TextLF, self._lfs[j]), self._readers[j]
        sure, rows = candidates
        answers = [lf.test(chunk.text(row)) for row in rows.tolist()]
        if lf.answers is bool:
            codes = np.where(np.array(answers, dtype=bool), reader.declared, ABSTAIN)
        else:
            codes = np.full(len(rows), ABSTAIN)
            for k, answer in enumerate(answers):
                try:
                    codes[k] = reader.code(answer)
                except InvalidOutput as error:
                    self._book.report(lf.name, start + int(rows[k]), error)
        fired = codes != ABSTAIN
        if not len(sure):
            return rows[fired], codes[fired]
        rows = np.concatenate([sure, rows[fired]])
        codes = np.concatenate([np.full(len(sure), reader.declared), codes[fired]])
        order = np.argsort(rows, kind="stable")
        return rows[order], codes[order]

    def _row_column(
        self, lf: LabelingFunction, j: int, rows: list[Any], start: int
    ) -> CodesAndScores:
        if lf.scorer is None:
            return self._plain_column(lf, j, rows, start), None
        codes, scores = np.full(len(rows), ABSTAIN), np.zeros(len(rows))
        for i, x in enumerate(rows):
            try:
                if isinstance(x, Failure):
                    raise x.error
                answer, score = lf.evaluate(x)
                scores[i] = score_of(score)
                codes[i] = self._readers[j].code(answer)
            except Exception as error:
                self._book.report(lf.name, start + i, error)
        return self._clipped(lf, codes, scores)

    def _plain_column(
        self, lf: LabelingFunction, j: int, rows: list[Any], start: int
    ) -> np.ndarray:
        """Codes of an LF without scores: the loop that every row function goes through."""
        answer_of, code_of, known = lf.function, self._readers[j].code, self._readers[j].known
        codes = []
        for i, x in enumerate(rows):
            try:
                if type(x) is Failure:
                    raise x.error
                answer = answer_of(x)
                # Answers seen before, without a call.
                whole = type(answer) is int and answer in known
                codes.append(known[answer] if whole else code_of(answer))
            except Exception as error:
                self._book.report(lf.name, start + i, error)
                codes.append(ABSTAIN)
        return np.array(codes, dtype=np.int64)

    def _batch_column(self, j: int, start: int, stop: int) -> CodesAndScores:
        lf, n = self._lfs[j], stop - start
        batch = self._source.batch(start, stop)
        try:
            answers, answered_scores = lf.evaluate(batch)
            codes, bad = self._readers[j].codes(evaluated(answers, batch), batch, n)
            scores = None
            if lf.scorer is not None:
                scores, bad_scores = score_column(evaluated(answered_scores, batch), n)
                bad = bad | bad_scores
        except Exception as error:
            return self._after_failure(j, start, stop, error)
        for row, reason in bad.items():
            self._book.report(lf.name, start + row, reason)
        if bad:
            codes[list(bad)] = ABSTAIN
        return self._clipped(lf, codes, scores)

    def _after_failure(self, j: int, start: int, stop: int, error: Exception) -> CodesAndScores:
        """Find the rows that fail if the LF has a row form; else all rows of the batch failed."""
        row_form = self._lfs[j].row_form
        if row_form is not None:
            return self._row_column(row_form, j, self._source.rows(start, stop), start)
        for row in range(start, stop):
            self._book.report(self._lfs[j].name, row, error)
        return np.full(stop - start, ABSTAIN), None

    def _clipped(
        self, lf: LabelingFunction, codes: np.ndarray, scores: np.ndarray | None
    ) -> CodesAndScores:
        if scores is None:
            return codes, None
        outside = (codes != ABSTAIN) & ((scores < 0) | (scores > 1))
        self._book.clip(lf.name, int(outside.sum()))
        return codes, np.clip(scores, 0, 1)

    def _keep(self, j: int, start: int, column: CodesAndScores) -> None:
        codes, scores = column
        fired = np.flatnonzero(codes != ABSTAIN)
        kept = None if scores is None else scores[fired]
        self._found[j].append((fired + start if start else fired, codes[fired], kept))
        self._advance(len(codes))

    def _matrix(self) -> LabelMatrix:
        """Return the label matrix of all columns, each with its rows in order."""
        parts = list(itertools.chain.from_iterable(self._found))
        rows = _joined([rows for rows, _, _ in parts], np.int64)
        codes = _joined([codes for _, codes, _ in parts], np.int64)
        counts = [sum(len(rows) for rows, _, _ in spans) for spans in self._found]
        indptr = np.cumsum([0, *counts])
        shape = (self._source.n, len(self._lfs))

        def by_rows(values: np.ndarray) -> sp.csr_array:
            return sp.csc_array((values, rows, indptr), shape=shape).tocsr()

        dtype = np.int8 if codes.max(initial=0) < 127 else np.int16
        continuous = [lf.continuous for lf in self._lfs]
        scores = None
        if any(continuous):
            dense = [np.zeros(len(c)) if s is None else s for _, c, s in parts]
            scores = by_rows(_joined(dense, np.float64).astype(np.float32))
        return LabelMatrix(
            by_rows((codes + 1).astype(dtype)),
            scores=scores,
            continuous=continuous,
            lf_names=[lf.name for lf in self._lfs],
            classes=self._classes.names,
            row_ids=self._source.ids,
            lf_classes=[reader.declared for reader in self._readers],
        )


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, max(size, 1)):
        yield start, min(start + size, n)
