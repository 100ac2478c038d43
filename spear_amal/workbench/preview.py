"""What a rule would do, before it is one: its matches, and how right they are on gold rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling.significance import lf_check
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench.distribution import Distribution
from spear_amal.workbench.killable import SupersededError
from spear_amal.workbench.pattern_search import scattered
from spear_amal.workbench.rule_search import RuleSearch
from spear_amal.workbench.snapshot import Snapshot


@dataclass(frozen=True)
class MatchedRow:
    """A row on which a rule fires.

    Attributes
    ----------
    row : int
        Its position.
    text : str
        Of the column that the rule reads, or of the text column if that holds numbers.
    spans : tuple of pair of int
        What is to be marked: from and to which character of the text, in order, not overlapping.
    gold : int
        Class code, -1 where unknown.
    is_new : bool
        No other LF votes there.
    conflicts : bool
        Another LF votes for another class there.
    """

    row: int
    text: str
    spans: tuple[tuple[int, int], ...]
    gold: int
    is_new: bool
    conflicts: bool


@dataclass(frozen=True)
class GoldCheck:
    """A rule on gold rows, as the table of rules has it.

    Attributes
    ----------
    votes, right : int
        Gold rows that match, and those of the rule's class among them.
    precision, low, high : float
        The precision and its Wilson interval; NaN, 0 and 1 without votes.
    chance : float
        What blind votes for the class would reach; NaN without votes.
    verdict : {"good", "bad", "unclear", "silent"}
    """

    votes: int
    right: int
    precision: float
    low: float
    high: float
    chance: float
    verdict: str


@dataclass(frozen=True)
class Preview:
    """What a rule would do.

    Attributes
    ----------
    rule : object
    n_rows : int
        Rows of the table.
    n_tried : int
        Rows that were tried; fewer where the time limit stopped the search.
    coverage : float
        Share of rows that match; an estimate where not all were tried.
    n_matches, n_new, n_overlaps, n_conflicts : int
        Rows that match; those on which no other LF votes, on which another does, and on which one
        votes for another class.
    gold : GoldCheck
    rows, right_rows, wrong_rows : tuple of MatchedRow
        Matching rows to show; those with gold of the rule's class, and of another class.
    seconds : float
        Time that it took.
    is_partial : bool
        Not all rows were tried: the numbers are of those tried.
    is_too_slow : bool
        The pattern was stopped within a text that takes very long: it cannot become an LF.
    is_growing : bool
        Rows are still being prepared: the same preview soon says more.
    remark : str
        How the rule was tried where that is worth saying; may be empty.
    distribution : Distribution or None
        Of the numbers, for a threshold.
    fires : ndarray of bool (n,)
    revision : int
        Of the snapshot.
    """

    rule: Any
    n_rows: int
    n_tried: int
    coverage: float
    n_matches: int
    n_new: int
    n_overlaps: int
    n_conflicts: int
    gold: GoldCheck
    rows: tuple[MatchedRow, ...]
    right_rows: tuple[MatchedRow, ...]
    wrong_rows: tuple[MatchedRow, ...]
    seconds: float
    is_partial: bool
    is_too_slow: bool
    is_growing: bool
    remark: str
    distribution: Distribution | None
    revision: int
    fires: np.ndarray = field(repr=False)


class Previewer:
    """Previews of rules on one table; bounded in memory, used by many threads at once.

    Parameters
    ----------
    frame : DataFrame of n rows
    text_column : str
    seconds : float
        Time limit of a preview, where Python's ``re`` has to try a pattern.
    """

    def __init__(self, frame: pd.DataFrame, text_column: str, seconds: float = 1.0) -> None:
        self.text_column = text_column
        self.seconds = seconds
        self._search = self._started(frame)
        self._lock = Lock()
        self._newest: dict[str, int] = {}
        self._votes: tuple[Snapshot, _PresentVotes] | None = None

    def preview(
        self, rule: Any, snapshot: Snapshot, n_rows: int = 20, tab: str | None = None
    ) -> Preview:
        """Compute what a rule would do.

        Parameters
        ----------
        rule : Rule
            Of :mod:`spear_amal.declared_lfs`. An LF of the same name is left out of what is
            counted as present votes: it is the one that is edited.
        snapshot : Snapshot
        n_rows : int
            Rows to show, of each kind.
        tab : str, optional
            Who asks; a newer preview of the same tab ends an older one.

        Raises
        ------
        SupersededError
            If a newer preview of the same tab was asked for meanwhile.
        InputError
            If the rule cannot be used: no regular expression, no such column, a column of another
            type.
        """
        started = time.perf_counter()
        search = self._search_of(snapshot.frame)
        wanted = self._turn_of(tab)
        votes = search.votes(rule, self.seconds, wanted)
        if not wanted():
            raise SupersededError("a newer preview took the place of this one")
        counts = self._present_votes(snapshot).without(snapshot.named(rule.name))
        code = _code_of(rule.label, snapshot.classes)
        matches = np.flatnonzero(votes.fires)
        n_others = counts.total[matches]
        n_against = n_others - (
            counts.by_class[matches, code] if code < len(snapshot.classes) else 0
        )
        gold = snapshot.gold[matches]
        shown = _Shown(search, rule, snapshot, matches, n_others == 0, n_against > 0)
        rows, right_rows, wrong_rows = shown.rows(
            shown.mixed(n_rows),
            shown.first(gold == code, n_rows),
            shown.first((gold >= 0) & (gold != code), n_rows),
        )
        return Preview(
            rule=rule,
            n_rows=len(snapshot.frame),
            n_tried=votes.n_tried,
            coverage=votes.n_likely / max(len(votes.fires), 1),
            n_matches=len(matches),
            n_new=int((n_others == 0).sum()),
            n_overlaps=int((n_others > 0).sum()),
            n_conflicts=int((n_against > 0).sum()),
            gold=_gold_check(votes.fires, code, snapshot),
            rows=rows,
            right_rows=right_rows,
            wrong_rows=wrong_rows,
            seconds=time.perf_counter() - started,
            is_partial=votes.is_partial,
            is_too_slow=votes.is_too_slow,
            is_growing=votes.is_growing,
            remark=votes.remark,
            distribution=search.distribution(rule, snapshot.gold, len(snapshot.classes)),
            revision=snapshot.revision,
            fires=votes.fires,
        )

    def rule_search(self, snapshot: Snapshot) -> RuleSearch:
        """Return the search for rules in the table of a snapshot."""
        return self._search_of(snapshot.frame)

    def close(self) -> None:
        """End the processes and remove the files behind it."""
        with self._lock:
            self._search.close()

    def _search_of(self, frame: pd.DataFrame) -> RuleSearch:
        """Return the search in a table; another one if the table on disk has changed."""
        with self._lock:
            if self._search.frame is not frame:
                self._search.close()
                self._search = self._started(frame)
            return self._search

    def _started(self, frame: pd.DataFrame) -> RuleSearch:
        search = RuleSearch(frame, self.text_column)
        search.start()
        return search

    def _turn_of(self, tab: str | None) -> Callable[[], bool]:
        """Return the test whether the request that begins now is the newest of its tab."""
        if tab is None:
            return lambda: True
        with self._lock:
            turn = self._newest.pop(tab, 0) + 1
            self._newest[tab] = turn  # now the last
            while len(self._newest) > _MOST_TABS:
                del self._newest[next(iter(self._newest))]
        return lambda: self._newest.get(tab, turn) == turn

    def _present_votes(self, snapshot: Snapshot) -> _PresentVotes:
        with self._lock:
            if self._votes is None or self._votes[0] is not snapshot:
                self._votes = snapshot, _PresentVotes.of(snapshot)
            return self._votes[1]


_MOST_TABS = 64


@dataclass(frozen=True)
class _PresentVotes:
    """Votes by row: of all LFs (n,), and by class (n, C)."""

    total: np.ndarray
    by_class: np.ndarray

    @classmethod
    def of(cls, snapshot: Snapshot) -> _PresentVotes:
        by_class = np.zeros((len(snapshot.frame), len(snapshot.classes)), np.int32)
        for lf in snapshot.active:
            _count(by_class, lf.votes, 1)
        return cls(by_class.sum(axis=1), by_class)

    def without(self, lf: Any) -> _PresentVotes:
        """Return the votes without those of an LF that may be None."""
        if lf is None or lf.is_muted:
            return self
        by_class = self.by_class.copy()
        _count(by_class, lf.votes, -1)
        return _PresentVotes(by_class.sum(axis=1), by_class)


def _count(by_class: np.ndarray, votes: np.ndarray, weight: int) -> None:
    rows = np.flatnonzero(votes >= 0)
    by_class[rows, votes[rows]] += weight


def _code_of(label: Any, classes: tuple[str, ...]) -> int:
    """Return the code of a class; that of a class that nobody has used yet is the next free one."""
    return classes.index(str(label)) if str(label) in classes else len(classes)


def _gold_check(fires: np.ndarray, code: int, snapshot: Snapshot) -> GoldCheck:
    known = np.flatnonzero(snapshot.gold >= 0)
    votes = np.where(fires[known], code, -1)[:, None]
    n_classes = max(len(snapshot.classes), code + 1)
    names = (*snapshot.classes, "")[:n_classes]
    L = LabelMatrix.from_dense(votes, classes=[name or "a new class" for name in names])
    row = lf_check(L, snapshot.gold[known]).iloc[0]
    shares = {name: float(row[name]) for name in ("precision", "low", "high", "chance")}
    return GoldCheck(int(row["votes"]), int(row["right"]), **shares, verdict=str(row["verdict"]))


class _Shown:
    """The rows of a preview that are shown: the same ones while a rule is edited a little."""

    def __init__(
        self,
        search: RuleSearch,
        rule: Any,
        snapshot: Snapshot,
        matches: np.ndarray,
        is_new: np.ndarray,
        conflicts: np.ndarray,
    ) -> None:
        self._search, self._rule, self._snapshot = search, rule, snapshot
        self._matches, self._is_new, self._conflicts = matches, is_new, conflicts
        self._place = scattered(matches)

    def mixed(self, n_rows: int) -> np.ndarray:
        """Return places of all kinds: up to a half new ones, a quarter conflicts, then any."""
        new = self.first(self._is_new, n_rows // 2)
        against = self.first(self._conflicts, n_rows // 4)
        rest = np.ones(len(self._matches), bool)
        rest[new] = rest[against] = False
        rest = self.first(rest, n_rows - len(new) - len(against))
        chosen = np.concatenate([new, against, rest])
        return chosen[np.argsort(self._place[chosen])]

    def first(self, mask: np.ndarray, most: int) -> np.ndarray:
        """Return the first places by the scattered order among those of a mask."""
        places = np.flatnonzero(mask)
        if len(places) > most > 0:
            places = places[np.argpartition(self._place[places], most - 1)[:most]]
        return places[np.argsort(self._place[places])][:most]

    def rows(self, *places: np.ndarray) -> list[tuple[MatchedRow, ...]]:
        """Return the matches at some places, of several lists at once."""
        together = np.concatenate(places)
        rows = self._matches[together].tolist()
        texts, spans = self._search.shown(self._rule, rows)
        gold = self._snapshot.gold
        matched = iter(
            MatchedRow(row, text, span, int(gold[row]), bool(new), bool(against))
            for row, text, span, new, against in zip(
                rows, texts, spans, self._is_new[together], self._conflicts[together], strict=True
            )
        )
        return [tuple(itertools.islice(matched, len(some))) for some in places]
