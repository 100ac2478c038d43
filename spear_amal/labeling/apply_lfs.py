"""The one loop that applies labelling functions; the appliers are thin containers around it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import InputError
from spear_amal.labeling.builders import ColumnLF, TextLF
from spear_amal.labeling.cell_values import as_list
from spear_amal.labeling.data_points import RowSource
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.lf_outputs import (
    CODE,
    STOPS,
    BadRows,
    FailureLog,
    Fired,
    InvalidOutput,
    OutputParser,
    evaluated,
    score_column,
    score_of,
)
from spear_amal.labeling.preprocessing import Failure, PreparedRows, flat_chain
from spear_amal.labeling.required_literals import RequiredLiterals
from spear_amal.labeling.text_chunks import TextChunk, text_chunks
from spear_amal.labeling.text_search import Candidates, TextScanner, too_frequent
from spear_amal.labeling.thresholds import ThresholdLF
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

# Rows prepared at a time: bounds how many preprocessed rows (parsed texts) exist at once.
CHUNK = 1024
# Texts, and letters of each, by which it is judged whether to look for words, where there are
# many more.
SAMPLE = 128
LONGEST_JUDGED = 4096
FEWEST_JUDGED = 8 * SAMPLE


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
        # Votes of each LF, span by span.
        self._fired: list[list[Fired]] = [[] for _ in lfs]

    def run(self, batch_size: int | None = None) -> LabelMatrix:
        """Label matrix of all rows, in their order."""
        n = self._source.n
        joined = self._groups()
        for name, lfs in joined.items():
            scanner = _scanner(tuple(cast(TextLF, self._lfs[j]).needed for j in lfs))
            for start, stop in _spans(n, batch_size or n):
                self._search(name, lfs, scanner, start, stop)
        done = {j for lfs in joined.values() for j in lfs}
        for lfs in self._by_column(done):
            for start, stop in _spans(n, batch_size or n):
                self._on_batch(lfs, start, stop)
        row_lfs = [j for j, lf in enumerate(self._lfs) if not lf.vectorized]
        for start, stop in _spans(n, CHUNK) if row_lfs else ():
            prepared = PreparedRows(self._source.rows(start, stop))
            for j in row_lfs:
                rows = prepared.get(flat_chain(self._lfs[j].pre))
                self._keep(j, start, len(rows), self._on_rows(self._lfs[j], j, rows, start))
        for lf, reader in zip(self._lfs, self._readers, strict=True):
            self._book.abstained(lf.name, reader.reasons)
        return self._matrix()

    def _groups(self) -> dict[str, list[int]]:
        """LFs whose words are looked for together, by the column that they read."""
        groups: dict[str, list[int]] = {}
        for j, lf in enumerate(self._lfs):
            # A truth value without a class is a bad answer on every row: no row can be left out.
            if isinstance(lf, TextLF) and lf.needed is not None:
                if lf.answers is object or self._readers[j].declared != ABSTAIN:
                    groups.setdefault(lf.column, []).append(j)
        worthy = {name: self._worth_a_search(name, lfs) for name, lfs in groups.items()}
        return {name: lfs for name, lfs in worthy.items() if lfs}

    def _worth_a_search(self, name: str, lfs: list[int]) -> list[int]:
        """Return the LFs whose words are not so frequent that a test of each text takes less."""
        if self._source.n < FEWEST_JUDGED:
            return lfs
        try:
            cells = as_list(self._source.column(name, 0, SAMPLE))
        except InputError:  # each LF says what is wrong with the column
            return lfs
        texts = [cell[:LONGEST_JUDGED] for cell in cells if isinstance(cell, str)]
        needs = [cast(RequiredLiterals, cast(TextLF, self._lfs[j]).needed) for j in lfs]
        return [j for j, need in zip(lfs, needs, strict=True) if not too_frequent(need, texts)]

    def _by_column(self, done: set[int]) -> list[list[int]]:
        """Vectorised LFs that are not done; those that decide by one column together."""
        groups: dict[Hashable, list[int]] = {}
        for j, lf in enumerate(self._lfs):
            if lf.vectorized and j not in done:
                groups.setdefault((lf.column,) if isinstance(lf, ColumnLF) else j, []).append(j)
        return list(groups.values())

    def _search(
        self, name: str, lfs: list[int], scanner: TextScanner, start: int, stop: int
    ) -> None:
        """Apply LFs that read one column of texts: each tests the texts with its words only."""
        try:
            chunks = text_chunks(self._source.column(name, start, stop))
        except InputError:
            chunks = None
        if chunks is None:
            # One by one; each LF says what is wrong with the column or with a value.
            self._on_batch(lfs, start, stop)
            return
        for chunk in chunks:
            for j, candidates in zip(lfs, scanner.scan(chunk), strict=True):
                self._keep(j, start, len(chunk), self._test_texts(j, chunk, candidates, start))
            start += len(chunk)

    def _test_texts(self, j: int, chunk: TextChunk, candidates: Candidates, start: int) -> Fired:
        """Votes of one LF on a chunk of texts."""
        lf, reader = cast(TextLF, self._lfs[j]), self._readers[j]
        sure, rows = candidates
        fired = Fired(sure, np.full(len(sure), reader.declared, CODE))
        if not len(rows):
            return fired
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
        tested = Fired.of_dense(codes)
        rows = np.concatenate([sure, rows[tested.rows]])
        codes = np.concatenate([fired.codes, tested.codes])
        order = np.argsort(rows, kind="stable")
        return Fired(rows[order], codes[order])

    def _on_rows(self, lf: LabelingFunction, j: int, rows: list[Any], start: int) -> Fired:
        if lf.scorer is None:
            return Fired.of_dense(self._plain_column(lf, j, rows, start))
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
        return Fired.of_dense(codes, scores)

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

    def _on_batch(self, lfs: list[int], start: int, stop: int) -> None:
        """Apply vectorised LFs to a batch; a column that several read is read once."""
        read: dict[Callable[[Any], Any], Any] = {}
        for j in lfs:
            lf = self._lfs[j]
            try:
                if isinstance(lf, TextLF | ThresholdLF):  # they change nothing that they are given
                    if lf.reads not in read:
                        read[lf.reads] = lf.reads(self._source.column(lf.column, start, stop))
                    answers = lf.decide(read[lf.reads])
                    fired, bad = self._readers[j].fired(answers, None, stop - start)
                else:
                    fired, bad = self._answers(j, self._source.batch(start, stop), stop - start)
            except STOPS:
                raise
            except Exception as error:
                fired, bad = self._after_failure(j, start, stop, error), {}
            for row, reason in bad.items():
                self._book.report(lf.name, start + row, reason)
            self._keep(j, start, stop - start, fired.without(bad))

    def _answers(self, j: int, batch: Any, n: int) -> tuple[Fired, BadRows]:
        """Votes of a vectorised LF on a batch, and rows with answers that are none."""
        lf = self._lfs[j]
        answers, answered_scores = lf.evaluate(batch)
        fired, bad = self._readers[j].fired(evaluated(answers, batch), batch, n)
        if lf.scorer is None:
            return fired, bad
        scores, bad_scores = score_column(evaluated(answered_scores, batch), n)
        return fired._replace(scores=scores[fired.rows]), bad | bad_scores

    def _after_failure(self, j: int, start: int, stop: int, error: Exception) -> Fired:
        """Find the rows that fail if the LF has a row form; else all rows of the batch failed."""
        row_form = self._lfs[j].row_form
        if row_form is not None:
            return self._on_rows(row_form, j, self._source.rows(start, stop), start)
        for row in range(start, stop):
            self._book.report(self._lfs[j].name, row, error)
        return Fired.of_dense(np.empty(0))

    def _keep(self, j: int, start: int, n: int, fired: Fired) -> None:
        """Keep the votes of an LF on rows from `start` on, after it was applied to n of them."""
        rows, codes, scores = fired
        if scores is not None:
            self._book.clip(self._lfs[j].name, int(((scores < 0) | (scores > 1)).sum()))
            scores = np.clip(scores, 0, 1)
        self._fired[j].append(Fired(rows + start if start else rows, codes, scores))
        self._advance(n)

    def _matrix(self) -> LabelMatrix:
        """Return the label matrix of all LFs, each with its rows in order."""
        parts = list(itertools.chain.from_iterable(self._fired))
        counts = [sum(len(fired.rows) for fired in spans) for spans in self._fired]
        shape = (self._source.n, len(self._lfs))
        # Half as much to move about, where numbers of rows and votes fit.
        index = np.int32 if max(shape[0], sum(counts)) <= np.iinfo(np.int32).max else np.int64
        rows = _joined([fired.rows for fired in parts], index)
        indptr = np.cumsum([0, *counts]).astype(index)

        def by_rows(values: np.ndarray) -> sp.csr_array:
            matrix = sp.csc_array((values, rows, indptr), shape=shape).tocsr()
            matrix.has_canonical_format = True  # an LF votes once on a row
            return matrix

        codes = _joined([fired.codes for fired in parts], CODE) + CODE(1)
        continuous = [lf.continuous for lf in self._lfs]
        scores = None
        if any(continuous):
            dense = [np.zeros(len(f.rows)) if f.scores is None else f.scores for f in parts]
            scores = by_rows(_joined(dense, np.float32))
        return LabelMatrix(
            by_rows(codes if codes.max(initial=0) > 127 else codes.astype(np.int8)),
            scores=scores,
            continuous=continuous,
            lf_names=[lf.name for lf in self._lfs],
            classes=self._classes.names,
            row_ids=self._source.ids,
            lf_classes=[reader.declared for reader in self._readers],
        )


@functools.lru_cache(maxsize=4)
def _scanner(needs: tuple[RequiredLiterals, ...]) -> TextScanner:
    """Make a scanner, once for all blocks of a table: its tables take a while to build."""
    return TextScanner(needs)


def _joined(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts, dtype=dtype) if parts else np.empty(0, dtype)


def _spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, max(size, 1)):
        yield start, min(start + size, n)
