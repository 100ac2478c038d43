"""Search of rows: the conditions of a query on the state of a moment, quick on long tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.workbench.identity_cache import IdentityCache
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
from spear_amal.workbench.snapshot import Snapshot

TIED = -2  # "class code" of a majority that several classes share
_KEPT = 32  # results of each kind that are kept


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
    """

    rows: np.ndarray
    query: RowQuery

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

    Examples
    --------
    >>> texts, gold = ["a free prize", "lunch"], np.full(2, -1)
    >>> snapshot = Snapshot(1, pd.DataFrame(), texts, None, ("ham", "spam"), gold)
    >>> RowSearch().find(snapshot, RowQuery(words="free")).rows
    array([0])
    """

    def __init__(self) -> None:
        self._cache = IdentityCache(_KEPT)

    def find(self, snapshot: Snapshot, query: RowQuery) -> RowsFound:
        """Return the rows for which all conditions of a query hold.

        Raises
        ------
        InputError
            If it names an LF, a class or a column that is not there, or the regex is none.
        """
        about = (snapshot.revision, snapshot.frame)
        rows = self._cache.get(query, about, lambda: self._ordered(snapshot, query))
        return RowsFound(rows, query)

    def summary(self, snapshot: Snapshot) -> VoteSummary:
        """Return the votes of a snapshot, counted once for each set of votes."""
        votes = tuple(lf.votes for lf in snapshot.active)
        about = (snapshot.texts, snapshot.classes, *votes)
        return self._cache.get("summary", about, lambda: VoteSummary.of(snapshot))

    def _ordered(self, snapshot: Snapshot, query: RowQuery) -> np.ndarray:
        rows = np.flatnonzero(self._matching(snapshot, query))
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
        """Return whether all conditions hold (n,): those on texts come last, on what is left."""
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
            holds = self._holding(snapshot.texts, term)
            mask &= ~holds if term.is_excluded else holds
        if query.regex:
            mask &= self._fitting(snapshot.texts, query)
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

    def _holding(self, texts: list[str], term: SearchTerm) -> np.ndarray:
        term = replace(term, is_excluded=False)
        lowered = self._cache.get("lowered", (texts,), lambda: [text.lower() for text in texts])
        return self._cache.get(term, (texts,), lambda: rows_holding(lowered, term))

    def _fitting(self, texts: list[str], query: RowQuery) -> np.ndarray:
        key = ("regex", query.regex, query.minds_case)
        return self._cache.get(
            key, (texts,), lambda: rows_fitting(texts, query.regex, query.minds_case)
        )


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


# -- texts ----------------------------------------------------------------------------------------


def rows_holding(lowered: Sequence[str], term: SearchTerm) -> np.ndarray:
    """Return which texts (n,), given in lower case, hold a term."""
    word, occurs = term.text, term.pattern.search
    if all(term.is_open):
        return np.array([word in text for text in lowered], dtype=bool)
    # The plain test is much quicker, and leaves few texts to the other one.
    return np.array([word in text and occurs(text) is not None for text in lowered], dtype=bool)


def rows_fitting(texts: Sequence[str], regex: str, minds_case: bool) -> np.ndarray:
    """Return which texts (n,) a regular expression is found in.

    Raises
    ------
    InputError
        If it is none.
    """
    import re2

    options = re2.Options()
    options.case_sensitive, options.log_errors = minds_case, False
    try:
        occurs = re2.compile(regex, options).search
    except re2.error as error:
        raise InputError(f"{regex!r} is no regular expression: {error}") from error
    return np.array([occurs(text) is not None for text in texts], dtype=bool)
