"""Queues of rows to label: what to label next, a random sample, a search, doubtful labels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from spear_amal.errors import InputError
from spear_amal.workbench.disagreements import Disagreement, disagreements
from spear_amal.workbench.gold_origin import RANDOM
from spear_amal.workbench.identity_cache import IdentityCache
from spear_amal.workbench.next_queue import NextQueue
from spear_amal.workbench.row_query import ORDERS, RowQuery
from spear_amal.workbench.row_search import RowSearch
from spear_amal.workbench.snapshot import Snapshot

#: Kinds of queues, and what they are called.
QUEUES = {
    "next": "What to label next",
    RANDOM: "Random sample",
    "search": "Rows of a search",
    "disagree": "Labels that stand alone",
}
_MOST_QUEUES = 8  # choices of what to label next that are kept, one for each search


@dataclass(frozen=True)
class LabelQueue:
    """Rows in the order in which one labels them.

    Attributes
    ----------
    rows : ndarray of int (k,)
    gold : ndarray of int (k,) or None
        The label that is asked about, where the queue is of labelled rows; None for rows without.
    reasons : dict of int to str
        Why a row is there, where that is known.
    against : dict of int to Disagreement
    """

    rows: np.ndarray
    gold: np.ndarray | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    against: Mapping[int, Disagreement] = field(default_factory=dict)

    def is_waiting(self, snapshot: Snapshot, without: frozenset[int]) -> np.ndarray:
        """Return which rows (k,) are still to be labelled, or looked at."""
        now = snapshot.gold[self.rows]
        waiting = now < 0 if self.gold is None else now == self.gold
        return np.asarray(waiting & ~np.isin(self.rows, list(without)))

    def following(self, row: int | None, snapshot: Snapshot, without: frozenset[int]) -> int | None:
        """Return the next row that waits, from the beginning again after the last one.

        Parameters
        ----------
        row : int or None
            Where one is; None for the beginning.
        snapshot : Snapshot
            Its labels decide which rows wait.
        without : frozenset of int
            Rows to pass over.
        """
        waiting = np.flatnonzero(self.is_waiting(snapshot, without))
        waiting = waiting[self.rows[waiting] != (-1 if row is None else row)]
        if not len(waiting):
            return None
        place = np.flatnonzero(self.rows == row) if row is not None else waiting[:0]
        later = waiting[waiting > place[0]] if len(place) else waiting
        return int(self.rows[later[0] if len(later) else waiting[0]])

    def beside(self, row: int, step: int, snapshot: Snapshot, with_done: bool) -> int | None:
        """Return the next row that was not labelled since, or the one before; None at the ends.

        Parameters
        ----------
        row : int
        step : int
            1 or -1.
        snapshot : Snapshot
        with_done : bool
            Whether labelled rows are not passed over.
        """
        place = np.flatnonzero(self.rows == row)
        if not len(place):
            return None
        is_open = self.is_waiting(snapshot, frozenset()) | with_done
        places = np.flatnonzero(is_open)
        places = places[places > place[0]] if step > 0 else places[places < place[0]][::-1]
        return int(self.rows[places[0]]) if len(places) else None


class LabelQueues:
    """Queues of one workspace.

    Parameters
    ----------
    search : RowSearch
    """

    def __init__(self, search: RowSearch) -> None:
        self._search = search
        self._lock = Lock()
        self._next: OrderedDict[RowQuery, NextQueue] = OrderedDict()
        self._cache = IdentityCache(2)

    def get(
        self, kind: str, snapshot: Snapshot, query: RowQuery, without: frozenset[int]
    ) -> LabelQueue:
        """Return a queue of the rows of a search.

        Parameters
        ----------
        kind : str
            One of :data:`QUEUES`.
        snapshot : Snapshot
        query : RowQuery
        without : frozenset of int
            Rows that are not to be chosen.

        Raises
        ------
        InputError
            If there is no such queue, or as :meth:`RowSearch.find` does.
        """
        if kind not in QUEUES:
            raise InputError(f"there is no queue {kind!r}, but {', '.join(QUEUES)}")
        rows = self._search.find(snapshot, query).rows
        if kind == "search":
            return LabelQueue(rows)
        if kind == RANDOM:
            ranks = snapshot.order.ranks[rows]
            return LabelQueue(rows[np.argsort(ranks, kind="stable")][(ranks < 0).sum() :])
        if kind == "next":
            chosen = self._next_queue(query).get(snapshot, rows, without)
            return LabelQueue(np.array(chosen.rows, dtype=np.int64), reasons=chosen.reasons)
        against = {found.row: found for found in self.disagreements(snapshot)}
        is_among = np.zeros(len(snapshot.texts), dtype=bool)
        is_among[rows] = True
        against = {row: found for row, found in against.items() if is_among[row]}
        gold = np.array([found.gold for found in against.values()], dtype=np.int64)
        return LabelQueue(np.array(list(against), dtype=np.int64), gold, against=against)

    def disagreements(self, snapshot: Snapshot) -> tuple[Disagreement, ...]:
        """Return the labels that the model or good LFs speak against, computed once."""
        votes = tuple(lf.votes for lf in snapshot.active)
        about = (snapshot.texts, snapshot.gold, snapshot.outputs, *votes)
        return self._cache.get("disagreements", about, lambda: disagreements(snapshot))

    def _next_queue(self, query: RowQuery) -> NextQueue:
        key = replace(query, order=ORDERS[0])
        with self._lock:
            queue = self._next.setdefault(key, NextQueue())
            self._next.move_to_end(key)
            while len(self._next) > _MOST_QUEUES:
                self._next.popitem(last=False)
            return queue
