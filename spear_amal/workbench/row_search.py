"""Search of rows: the conditions of a query on the state of a moment, quick on long tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import Rule, rule_from_fields
from spear_amal.errors import InputError
from spear_amal.workbench.identity_cache import IdentityCache
from spear_amal.workbench.matches import row_text, search_spans
from spear_amal.workbench.row_query import (
    ANY,
    CLASS,
    NO,
    RIGHT,
    TIE,
    WRONG,
    ColumnSlice,
    RowQuery,
    SearchTerm,
    search_terms,
)
from spear_amal.workbench.rule_search import RuleSearch, RuleVotes
from spear_amal.workbench.snapshot import Snapshot

TIED = -2  # "class code" of a majority that several classes share
_KEPT = 32  # results that are kept
#: Time limit of a regex where Python's ``re`` has to try it.
REGEX_SECONDS = 2.0


@dataclass(frozen=True)
class VoteSummary:
    """Votes of the active LFs together.

    Attributes
    ----------
    counts : ndarray of int (n, C)
        Votes of a row for each class.
    """

    counts: np.ndarray

    @classmethod
    def of(cls, snapshot: Snapshot) -> VoteSummary:
        """Count the votes of a snapshot."""
        counts = np.zeros((len(snapshot.texts), max(len(snapshot.classes), 1)), dtype=np.int32)
        for lf in snapshot.active:
            rows = np.flatnonzero(lf.votes >= 0)
            counts[rows, lf.votes[rows]] += 1
        return cls(counts)

    @property
    def n_votes(self) -> np.ndarray:
        """Votes (n,) of each row."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def n_classes(self) -> np.ndarray:
        """Classes (n,) that each row has votes for."""
        return np.asarray((self.counts > 0).sum(axis=1))

    @property
    def majority(self) -> np.ndarray:
        """Class code (n,) with the most votes; -1 without votes, TIED where several have most."""
        most = self.counts.max(axis=1)
        is_tied = (self.counts == most[:, None]).sum(axis=1) > 1
        return np.where(most == 0, -1, np.where(is_tied, TIED, self.counts.argmax(axis=1)))


@dataclass(frozen=True)
class RowsFound:
    """Rows of a search.

    Attributes
    ----------
    rows : ndarray of int (k,)
        Positions, in the order that was asked for.
    query : RowQuery
    remark : str
        What is to be said of the search: that its pattern was too slow for all rows.
    """

    rows: np.ndarray
    query: RowQuery
    remark: str = ""

    def neighbours(self, row: int) -> tuple[int | None, int | None]:
        """Return the rows before and after one; of one that was not found those by position."""
        place = np.flatnonzero(self.rows == row)
        if len(place):
            before, after = int(place[0]) - 1, int(place[0]) + 1
        elif self.query.order == "position":
            after = int(np.searchsorted(self.rows, row))
            before = after - 1
        else:
            return None, None
        return (
            int(self.rows[before]) if before >= 0 else None,
            int(self.rows[after]) if after < len(self.rows) else None,
        )

    def place(self, row: int) -> int | None:
        """Return how many rows come before one, None if it is not among them."""
        place = np.flatnonzero(self.rows == row)
        return int(place[0]) if len(place) else None


class RowSearch:
    """Searches of one workspace; what they have in common is computed once.

    Methods may be called from several threads.

    Parameters
    ----------
    rule_search : callable
        From a snapshot to the search for rules in its table: regexes are looked for by it.
    text_column : str

    Examples
    --------
    >>> frame = pd.DataFrame({"text": ["a free prize", "lunch"]})
    >>> texts, gold = frame["text"].tolist(), np.full(2, -1)
    >>> snapshot = Snapshot(1, frame, texts, None, ("ham", "spam"), gold)
    >>> search = RowSearch(lambda snapshot: RuleSearch(snapshot.frame, "text"), "text")
    >>> search.find(snapshot, RowQuery(words="free")).rows
    array([0])
    """

    def __init__(self, rule_search: Callable[[Snapshot], RuleSearch], text_column: str) -> None:
        self._rule_search, self._text_column = rule_search, text_column
        self._cache = IdentityCache(_KEPT)

    def find(self, snapshot: Snapshot, query: RowQuery) -> RowsFound:
        """Return the rows for which all conditions of a query hold.

        Raises
        ------
        InputError
            If it names an LF, a class or a column that is not there, or the regex is none.
        """
        about = (snapshot.revision, snapshot.frame)
        return self._cache.get(query, about, lambda: self._found(snapshot, query))

    def spans(
        self, snapshot: Snapshot, query: RowQuery, rows: Sequence[int]
    ) -> list[list[tuple[int, int]]]:
        """Return for each of some rows starts and ends of what a query looks for in its text."""
        spans = [search_spans(row_text(snapshot, row), query) for row in rows]
        if query.regex and rows:
            rule = self._rule_of(query)
            _, matched = self._rule_search(snapshot).shown(rule, list(rows))
            spans = [[*some, *more] for some, more in zip(spans, matched, strict=True)]
        return spans

    def summary(self, snapshot: Snapshot) -> VoteSummary:
        """Return the votes of a snapshot, counted once for each set of votes."""
        votes = tuple(lf.votes for lf in snapshot.active)
        about = (snapshot.texts, snapshot.classes, *votes)
        return self._cache.get("summary", about, lambda: VoteSummary.of(snapshot))

    def _found(self, snapshot: Snapshot, query: RowQuery) -> RowsFound:
        mask, remark = self._matching(snapshot, query), ""
        if query.regex:
            votes = self._fitting(snapshot, query)
            mask &= votes.fires
            remark = _remark(votes)
        return RowsFound(self._ordered(snapshot, query, np.flatnonzero(mask)), query, remark)

    def _ordered(self, snapshot: Snapshot, query: RowQuery, rows: np.ndarray) -> np.ndarray:
        name = query.order.lstrip("-")
        if name == "position":
            return rows
        if name == "votes":
            keys = self.summary(snapshot).n_votes[rows].astype(float)
        else:
            keys = confidence(snapshot)[rows]
        # Rows without a key, where no model has said anything, come last.
        keys = -keys if query.order.startswith("-") else keys
        return rows[np.argsort(keys, kind="stable")]

    def _matching(self, snapshot: Snapshot, query: RowQuery) -> np.ndarray:
        """Return whether all conditions hold (n,), but that of the regex."""
        mask = np.ones(len(snapshot.texts), dtype=bool)
        for name, wanted in query.lf_votes:
            lf = snapshot.named(name)
            if lf is None:
                raise InputError(f"there is no LF {name!r}; was it renamed or removed?")
            mask &= has_class(lf.votes, wanted, snapshot, f"LF {name!r}")
        if query.votes or query.majority:
            mask &= self._on_votes(snapshot, query)
        if query.gold:
            mask &= has_class(snapshot.gold, query.gold, snapshot, "gold")
        if query.model:
            mask &= has_class(predicted(snapshot), query.model, snapshot, "the model")
        if query.low is not None or query.high is not None:
            mask &= _within(confidence(snapshot), query.low, query.high)
        for part in query.slices:
            mask &= in_slice(snapshot.frame, part)
        for term in search_terms(query.words):
            holds = self._holding(snapshot, term)
            mask &= ~holds if term.is_excluded else holds
        return mask

    def _on_votes(self, snapshot: Snapshot, query: RowQuery) -> np.ndarray:
        summary = self.summary(snapshot)
        mask = np.ones(len(snapshot.texts), dtype=bool)
        if query.majority:
            mask &= has_class(summary.majority, query.majority, snapshot, "the majority")
        if query.votes == "conflict":
            mask &= summary.n_classes > 1
        elif query.votes == "none":
            mask &= summary.n_votes == 0
        elif query.votes == "some":
            mask &= summary.n_votes > 0
        elif query.votes == "agree":
            mask &= (summary.n_votes > 1) & (summary.n_classes == 1)
        return mask

    def _holding(self, snapshot: Snapshot, term: SearchTerm) -> np.ndarray:
        term = replace(term, is_excluded=False)
        return self._cache.get(term, (snapshot.frame,), lambda: self._rows_holding(snapshot, term))

    def _rows_holding(self, snapshot: Snapshot, term: SearchTerm) -> np.ndarray:
        """Return which texts (n,) hold a term, as a keyword LF finds it."""
        rule = self._rule(kind="keyword", keywords=[term.text], whole_word=not any(term.is_open))
        fires = self._rule_search(snapshot).votes(rule, REGEX_SECONDS).fires
        if term.is_open[0] == term.is_open[1]:
            return fires
        occurs, candidates = term.pattern.search, np.flatnonzero(fires)
        mask = np.zeros(len(fires), dtype=bool)
        mask[candidates] = [
            occurs(row_text(snapshot, row).lower()) is not None for row in candidates.tolist()
        ]
        return mask

    def _fitting(self, snapshot: Snapshot, query: RowQuery) -> RuleVotes:
        rule = self._rule_of(query)
        search = self._rule_search(snapshot)
        return self._cache.get(rule, (snapshot.frame,), lambda: search.votes(rule, REGEX_SECONDS))

    def _rule_of(self, query: RowQuery) -> Rule:
        """Return the regex of a query as a rule; InputError if it is none."""
        return self._rule(kind="regex", pattern=query.regex, ignore_case=not query.minds_case)

    def _rule(self, **fields: Any) -> Rule:
        return rule_from_fields(
            {"name": "search", "label": 0, "column": self._text_column, **fields}
        )


def _remark(votes: RuleVotes) -> str:
    """Return what is to be said of a regex that could not be tried on all rows."""
    return f"Some rows may be missing. {votes.remark}" if votes.is_partial else ""


# -- conditions -----------------------------------------------------------------------------------


def predicted(snapshot: Snapshot) -> np.ndarray:
    """Return the model's classes (n,), -1 while there is no model."""
    outputs = snapshot.outputs
    if outputs is None or not outputs.proba.shape[1]:
        return np.full(len(snapshot.texts), -1)
    known = np.isfinite(outputs.proba).all(axis=1)
    return np.where(known, np.nan_to_num(outputs.proba).argmax(axis=1), -1)


def confidence(snapshot: Snapshot) -> np.ndarray:
    """Return the model's largest probability (n,), NaN while there is no model."""
    outputs = snapshot.outputs
    if outputs is None or not outputs.proba.shape[1]:
        return np.full(len(snapshot.texts), np.nan)
    return np.asarray(outputs.proba.max(axis=1))


def has_class(codes: np.ndarray, wanted: str, snapshot: Snapshot, what: str) -> np.ndarray:
    """Return whether class codes (n,) are what is asked for.

    Parameters
    ----------
    codes : ndarray of int (n,)
        -1 for none.
    wanted : str
        "any", "none", "right" or "wrong" (on rows with gold), "tie" or "class:NAME".
    snapshot : Snapshot
    what : str
        Whose codes they are, for messages.

    Raises
    ------
    InputError
        If it asks for something else, or a class that is not there.
    """
    gold = snapshot.gold
    if wanted == ANY:
        return codes != -1
    if wanted == NO:
        return codes == -1
    if wanted == TIE:
        return codes == TIED
    if wanted == RIGHT:
        return (codes >= 0) & (codes == gold)
    if wanted == WRONG:
        return (codes >= 0) & (gold >= 0) & (codes != gold)
    if not wanted.startswith(CLASS):
        raise InputError(f"{what}: nothing is known by {wanted!r}")
    name = wanted.removeprefix(CLASS)
    if name not in snapshot.classes:
        raise InputError(f"{what}: there is no class {name!r}, but {', '.join(snapshot.classes)}")
    return codes == snapshot.classes.index(name)


def in_slice(frame: pd.DataFrame, part: ColumnSlice) -> np.ndarray:
    """Return whether rows (n,) have a value of a column, or one within a range.

    Raises
    ------
    InputError
        If there is no such column, or a range is asked of one that holds no numbers.
    """
    if part.column not in frame:
        raise InputError(
            f"the table has no column {part.column!r}, but {', '.join(map(str, frame))}"
        )
    column = frame[part.column]
    mask = np.ones(len(frame), dtype=bool)
    if part.equals:
        mask &= _equals(column, part.equals)
    if part.least is not None or part.most is not None:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        if len(numbers) and np.isnan(numbers).all():
            raise InputError(f"column {part.column!r} holds no numbers: it has no ranges")
        mask &= _within(numbers, part.least, part.most)
    return mask


def _equals(column: pd.Series, value: str) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        try:
            return np.asarray(column.eq(float(value)).fillna(False), dtype=bool)
        except ValueError:
            return np.zeros(len(column), dtype=bool)
    return np.array([str(cell).strip() == value for cell in column.tolist()], dtype=bool)


def _within(numbers: np.ndarray, least: float | None, most: float | None) -> np.ndarray:
    """Return which numbers lie in a range, its bounds included; NaN lies in none."""
    mask = ~np.isnan(numbers)
    if least is not None:
        mask &= numbers >= least
    if most is not None:
        mask &= numbers <= most
    return mask
