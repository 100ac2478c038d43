"""On which rows of a table a rule fires: exactly those of its LF, and at once."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from threading import Lock, Thread
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import (
    KeywordRule,
    PromptRule,
    RegexRule,
    Rule,
    SimilarRule,
    ThresholdRule,
    make_lf,
)
from spear_amal.errors import InputError
from spear_amal.labeling.builders import ColumnLF, TextLF, compiled
from spear_amal.labeling.letter_cases import with_lower_case
from spear_amal.labeling.re2_patterns import translated
from spear_amal.labeling.required_literals import needed_by
from spear_amal.workbench import pattern_search
from spear_amal.workbench.distribution import Distribution
from spear_amal.workbench.keyword_search import rows_for_lf, rows_with_keywords
from spear_amal.workbench.killable import always
from spear_amal.workbench.neighbours import Neighbours
from spear_amal.workbench.pattern_search import (
    FoundRows,
    PatternProcess,
    StillWanted,
    TriedRows,
    in_order,
)
from spear_amal.workbench.text_index import TextIndex

_COLUMNS = 4  # that are kept laid out for search
_ENCODERS = 2
_FOR_SPANS = 0.25  # seconds to find what to mark in the rows that are shown
_ALL_PARTS = re.compile(r"\w\W\d\s(?i:a)")  # what takes longest to translate, and is kept then

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RuleVotes:
    """On which rows a rule fires.

    Attributes
    ----------
    fires : ndarray of bool (n,)
        False also where a row was not tried.
    n_tried : int
        Rows that were tried; below n if time did not suffice.
    n_likely : int
        Rows on which it fires, among those not tried as well, so far as can be told.
    remark : str
        How it was tried, where that is worth saying.
    is_too_slow : bool
        A pattern was stopped within a text that takes very long: it is not to be an LF.
    is_growing : bool
        Vectors of the other rows are being made: soon more is known.
    """

    fires: np.ndarray = field(repr=False)
    n_tried: int
    n_likely: int
    remark: str = ""
    is_too_slow: bool = False
    is_growing: bool = False

    @property
    def is_partial(self) -> bool:
        """Whether some rows were not tried."""
        return self.n_tried < len(self.fires)


class RuleSearch:
    """Rules on the rows of one table.

    Parameters
    ----------
    frame : DataFrame of n rows
    text_column : str
        Shown of rows that a rule on numbers finds.
    """

    def __init__(self, frame: pd.DataFrame, text_column: str) -> None:
        self.frame, self.text_column = frame, text_column
        self._process = PatternProcess()
        self._indexes = _Kept[str, TextIndex](_COLUMNS)
        self._numbers = _Kept[str, Any](_COLUMNS)
        self._neighbours = _Kept[tuple[str, str], Neighbours](_ENCODERS)

    def start(self) -> None:
        """Begin in the background what the first preview would have to wait for."""
        Thread(target=self._start, daemon=True).start()

    def _start(self) -> None:
        for is_plain in (True, False):
            translated(_ALL_PARTS, is_plain=is_plain)
        with_lower_case("a")
        self._process.start()
        self._index(self.text_column)

    def close(self) -> None:
        """End the processes and remove the files behind it."""
        self._process.close()
        for kept in (self._neighbours, self._indexes):
            kept.close()

    def votes(self, rule: Rule, seconds: float, wanted: StillWanted = always) -> RuleVotes:
        """Return on which rows a rule fires, as quickly as it can be known.

        Parameters
        ----------
        rule : Rule
        seconds : float
            Time limit for patterns, and for vectors that are not ready.
        wanted : callable
            When it returns False, the search ends.

        Raises
        ------
        SupersededError
            If the answer is no longer wanted.
        InputError
            If there is no such column, or it holds something else.
        """
        if rule.column not in self.frame:
            raise InputError(
                f"the table has no column {rule.column!r}; it has "
                f"{', '.join(map(repr, map(str, self.frame.columns)))}"
            )
        if isinstance(rule, PromptRule):
            raise InputError("a language model is not asked for a preview; try it on ten rows")
        if isinstance(rule, RegexRule):
            return self._by_pattern(rule, seconds, wanted)
        if isinstance(rule, KeywordRule):
            return self._by_words(rule, seconds, wanted)
        if isinstance(rule, SimilarRule):
            return self._by_vectors(rule, seconds, wanted)
        return self._by_numbers(rule)

    def shown(self, rule: Rule, rows: list[int]) -> tuple[list[str], list[Spans]]:
        """Return the texts of some rows, and what to mark in them."""
        if isinstance(rule, RegexRule | KeywordRule | SimilarRule):
            index = self._index(rule.column)
            texts = [index.text(row) for row in rows]
        else:
            column = self.frame[self.text_column].iloc[rows]
            texts = ["" if pd.isna(text) else str(text) for text in column]
        if isinstance(rule, RegexRule):
            pattern = compiled(rule.name, rule.pattern, rule.flags)
            return texts, self._process.spans(pattern, texts, _FOR_SPANS)
        if isinstance(rule, KeywordRule):
            lf = _text_lf(rule)
            return texts, [tuple(lf.matched_spans(text)) for text in texts]
        return texts, [() for _ in texts]

    def distribution(self, rule: Rule, gold: np.ndarray, n_classes: int) -> Distribution | None:
        """Return how the numbers lie that a threshold compares; None for other rules."""
        if not isinstance(rule, ThresholdRule):
            return None
        values, known = self._numbers_of(rule)
        numbers = values.astype(np.float64)
        return Distribution.of(
            numbers if known is None else np.where(known, numbers, np.nan), gold, n_classes
        )

    def _index(self, column: str) -> TextIndex:
        return self._indexes.get(column, lambda: TextIndex(self.frame[column], column))

    # -- kinds of rules ---------------------------------------------------------------------------

    def _by_words(self, rule: KeywordRule, seconds: float, wanted: StillWanted) -> RuleVotes:
        lf, index = _text_lf(rule), self._index(rule.column)
        found = rows_with_keywords(rule, lf, index, seconds, wanted)
        fires = np.zeros(index.n, bool)
        fires[found.sure] = True
        fires[[row for row in found.open.tolist() if lf.test(index.text(row))]] = True
        return RuleVotes(fires, index.n, int(fires.sum()))

    def _by_numbers(self, rule: ThresholdRule) -> RuleVotes:
        fires = np.asarray(make_lf(rule).decide(self._numbers_of(rule)), bool)
        return RuleVotes(fires, len(fires), int(fires.sum()))

    def _numbers_of(self, rule: ThresholdRule) -> Any:
        lf = make_lf(rule)
        return self._numbers.get(rule.column, lambda: _numbers(lf, self.frame[rule.column]))

    def _by_vectors(self, rule: SimilarRule, seconds: float, wanted: StillWanted) -> RuleVotes:
        index = self._index(rule.column)
        key = rule.column, rule.encoder
        neighbours = self._neighbours.get(key, lambda: Neighbours(rule.encoder, index))
        fires, n_tried = neighbours.fires(rule, seconds, wanted)
        remark, n_likely = "", round(int(fires.sum()) * index.n / max(n_tried, 1))
        if n_tried < index.n:
            more = (
                "the others follow" if neighbours.is_growing else "memory is set aside for no more"
            )
            remark = f"{n_tried:,} of {index.n:,} rows have been compared; {more}."
        return RuleVotes(fires, n_tried, n_likely, remark, is_growing=neighbours.is_growing)

    def _by_pattern(self, rule: RegexRule, seconds: float, wanted: StillWanted) -> RuleVotes:
        index = self._index(rule.column)
        pattern = compiled(rule.name, rule.pattern, rule.flags)
        found = pattern_search.rows_by_re2(pattern, index.groups, seconds, wanted)
        if found is None:
            found = rows_for_lf(needed_by(pattern), index)
        else:
            found = replace(found, open=in_order([found.open, index.odd]))
        return self._tried_by_re(pattern, index, found, seconds, wanted)

    def _tried_by_re(
        self,
        pattern: re.Pattern[str],
        index: TextIndex,
        found: FoundRows,
        seconds: float,
        wanted: StillWanted,
    ) -> RuleVotes:
        """Return the votes of a pattern, once `re` has tried the rows that are open."""
        fires = np.zeros(index.n, bool)
        fires[found.sure] = True
        n_open = len(found.open)
        if not n_open:
            tried = TriedRows(found.open, 0, is_stuck=False)
        else:
            tried = self._process.matching(pattern, index, found.open, seconds, wanted)
        fires[tried.matching] = True
        untried = found.untried + n_open - tried.n_tried
        if not untried:
            return RuleVotes(fires, index.n, int(fires.sum()), _remark(found, n_open))
        share = len(tried.matching) / max(tried.n_tried, 1)
        n_likely = len(found.sure) + share * n_open
        n_likely *= index.n / max(index.n - found.untried, 1)
        remark = f"Stopped at the time limit after {index.n - untried:,} of {index.n:,} rows"
        if tried.is_stuck:
            remark += (
                ", within a text that takes Python's re very long. Such a pattern cannot become an "
                "LF; make it simpler: fewer repeats within repeats, fewer alternatives that begin "
                "alike"
            )
        return RuleVotes(
            fires, index.n - untried, round(n_likely), f"{remark}.", is_too_slow=tried.is_stuck
        )


def _remark(found: FoundRows, n_open: int) -> str:
    if pattern_search.arrow is None:
        return "Tried by Python's re; with the package pyarrow it is faster."
    if not found.beyond or not n_open:
        return ""
    return f"Python's re tried {n_open:,} rows: the pattern has {' and '.join(found.beyond)}."


def _text_lf(rule: Rule) -> TextLF:
    return cast("TextLF", make_lf(rule))


def _numbers(lf: ColumnLF, values: pd.Series) -> Any:
    try:
        return lf.reads(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"column {str(values.name)!r} holds something else than numbers ({error}); a threshold "
            "needs numbers"
        ) from error


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Kept(Generic[Key, Value]):
    """Values that are made when first wanted; of more than `most` the one least used goes."""

    def __init__(self, most: int) -> None:
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._most, self._lock = most, Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key; whoever else wants one meanwhile waits."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                _close(self._values.popitem(last=False)[1])
            return self._values[key]

    def close(self) -> None:
        """Close all values."""
        with self._lock:
            for value in self._values.values():
                _close(value)
            self._values.clear()


def _close(value: Any) -> None:
    if hasattr(value, "close"):
        value.close()
