"""Rows like some examples: vectors of a column of texts, made in the background and kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from typing import Any

import numpy as np

from spear_amal.data.encoder_backends import WORDLLAMA
from spear_amal.declared_lfs import SimilarRule, make_lf, vectors_of
from spear_amal.declared_lfs.rules import NGRAMS
from spear_amal.declared_lfs.similar import nearest_similarities
from spear_amal.errors import SpearAmalError
from spear_amal.workbench.killable import KillableWorker, SupersededError, always
from spear_amal.workbench.pattern_worker import texts_in_file
from spear_amal.workbench.text_index import TextIndex

_WORKER = "spear_amal.workbench.neighbours:vectors_in_blocks"
_ROWS = 1000  # of a block
#: Bytes of the vectors of a column at most; later rows have none, and a preview says so.
MOST_BYTES = 400_000_000
# N-grams are kept with seven digits; so near to a threshold their LF itself is asked.
_OPEN = 2e-4
_WAIT = 0.02  # seconds between two looks at whether the answer is still wanted
_LIMIT = 24 * 3600.0
# Encoders that need no large library in the process of the server; others have one of their own,
# which may take so many seconds to be ready.
_LIGHT = (NGRAMS, WORDLLAMA)
_LONGEST_WAIT = 120.0


class Neighbours:
    """The vectors of the n texts of a column by one encoder.

    Parameters
    ----------
    encoder : str
        As a :class:`~spear_amal.declared_lfs.SimilarRule` has it.
    index : TextIndex
    """

    def __init__(self, encoder: str, index: TextIndex) -> None:
        self.encoder, self._index = encoder, index
        self._blocks: list[Any] = []
        self._error: SpearAmalError | None = None
        self._ended = self._closed = False
        self._change = Condition()
        self._worker = KillableWorker(_WORKER, is_urgent=False)
        self._encoder = KillableWorker("spear_amal.declared_lfs:vectors_of")
        self._examples: tuple[tuple[str, ...], Any] = (), None
        Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        """Read the vectors of all texts, block by block."""
        size = 0
        where = self._index.located(np.arange(self._index.n))
        try:
            blocks = self._worker.answers(
                *(self.encoder, *where), seconds=_LIMIT, wanted=lambda: not self._closed
            )
            for block in blocks:
                size += _bytes_of(block)
                with self._change:
                    self._blocks.append(block)
                    self._change.notify_all()
                if size > MOST_BYTES:
                    break
        except SpearAmalError as error:
            self._error = error
        finally:
            with self._change:
                self._ended = True
                self._change.notify_all()
            self._worker.close()

    @property
    def is_growing(self) -> bool:
        """Whether vectors of more rows are being made."""
        return not self._ended

    def close(self) -> None:
        """End the work in the background."""
        self._closed = True
        self._encoder.close()

    def fires(
        self, rule: SimilarRule, seconds: float, wanted: Callable[[], bool] = always
    ) -> tuple[np.ndarray, int]:
        """Return on which rows a rule fires (n,), and for how many that is known.

        Parameters
        ----------
        rule : SimilarRule
        seconds : float
            Time to wait for vectors that are still being made.
        wanted : callable

        Raises
        ------
        SupersededError
            If the answer is no longer wanted.
        SpearAmalError
            If the encoder cannot be had.
        """
        blocks = self._wait(seconds, wanted)
        examples = self._vectors_of(rule.examples)
        similar = [nearest_similarities(block, examples) for block in blocks]
        nearest = np.concatenate([np.empty(0), *similar])
        fires = np.zeros(self._index.n, bool)
        fires[: len(nearest)] = nearest >= rule.at_least
        if rule.encoder == NGRAMS:
            near = np.flatnonzero(np.abs(nearest - rule.at_least) < _OPEN)
            texts = [self._index.text(row) for row in near.tolist()]
            fires[near] = make_lf(rule).decide(texts)
        return fires, len(nearest)

    def _vectors_of(self, examples: tuple[str, ...]) -> Any:
        """Return the vectors of examples, in float32."""
        if self.encoder in _LIGHT:
            return vectors_of(self.encoder, examples).astype(np.float32)
        known, vectors = self._examples
        if known != examples:
            rows = self._encoder.answers(self.encoder, examples, seconds=_LONGEST_WAIT)
            vectors = np.stack(list(rows))
            self._examples = examples, vectors
        return vectors

    def _wait(self, seconds: float, wanted: Callable[[], bool]) -> list[Any]:
        """Return the blocks that there are once all rows have vectors, or time is over."""
        with self._change:
            while not self._ended and seconds > 0:
                if not wanted():
                    raise SupersededError("a newer preview took the place of this one")
                self._change.wait(_WAIT)
                seconds -= _WAIT
            if self._error is not None:
                raise self._error
            return list(self._blocks)


def vectors_in_blocks(
    encoder: str, file: str, starts: bytes, stops: bytes, newline: str | None
) -> Iterator[Any]:
    """Yield the vectors (rows, D) of texts in float32, dense or sparse, some rows at a time.

    Parameters
    ----------
    encoder : str
    file, starts, stops, newline
        Where the texts lie, as for :func:`~spear_amal.workbench.pattern_worker.matching_rows`.
    """
    texts = texts_in_file(file, starts, stops, newline)
    while block := list(itertools.islice(texts, _ROWS)):
        yield vectors_of(encoder, block).astype(np.float32)


def _bytes_of(block: Any) -> int:
    if isinstance(block, np.ndarray):
        return block.nbytes
    return block.data.nbytes + block.indices.nbytes + block.indptr.nbytes
