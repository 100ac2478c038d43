"""On which rows a pattern of Python's ``re`` matches, whatever the pattern.

RE2 finds them in linear time where a pattern can be said in its words, or else rows among which
they are; the latter, and all rows without the package ``google-re2``, are tried by ``re`` in a
process that is killed at a time limit.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spear_amal.workbench.killable import KillableWorker, SupersededError, TimeLimitError
from spear_amal.workbench.patterns import translated
from spear_amal.workbench.text_index import Group, TextIndex

try:
    import re2
except ImportError:  # all is found without it, more slowly
    re2 = None

_WORKER = "spear_amal.workbench.pattern_worker:pattern_answers"
# Bytes that are searched between two looks at the clock, and seconds that a look may wait.
_FIRST_SLICE, _LAST_SLICE = 1 << 16, 1 << 23
_SHORT, _LONG = 0.005, 0.02
# RE2 may take so many times as long as `re`.
_LINEAR = 5
# Texts after which it is plain whether a search finds too many that are open, and which share is.
_ENOUGH, _MOST_OPEN = 200, 0.5
# A text that takes so long may take for ever.
_STUCK = 0.25
NO_ROWS = np.empty(0, np.int64)

StillWanted = Callable[[], bool]


@dataclass(frozen=True)
class FoundRows:
    """Rows of a table by what is known of them.

    Attributes
    ----------
    sure : ndarray of int
        They match.
    open : ndarray of int
        They may match.
    untried : int
        How many were not looked at, for want of time.
    beyond : tuple of str
        Why some are open, in words.
    """

    sure: np.ndarray
    open: np.ndarray
    untried: int = 0
    beyond: tuple[str, ...] = ()


def in_order(parts: list[np.ndarray]) -> np.ndarray:
    """Return rows of several searches in order, those with a number."""
    rows = np.sort(np.concatenate(parts))
    return rows[rows >= 0]


def rows_by_re2(
    pattern: re.Pattern[str],
    groups: Sequence[Group],
    seconds: float,
    wanted: StillWanted,
) -> FoundRows | None:
    """Return the rows that match a pattern as far as RE2 can say; None if it cannot.

    Parameters
    ----------
    pattern : compiled pattern
    groups : sequence of Group
    seconds : float
        Limit for `re`; RE2 may take longer.
    wanted : callable

    Raises
    ------
    SupersededError
        If the answer is no longer wanted.
    """
    if re2 is None:
        return None
    seconds *= _LINEAR  # it comes to an end, and nothing is blocked meanwhile
    end = time.monotonic() + seconds
    sure, unclear, untried, beyond = [NO_ROWS], [NO_ROWS], 0, set[str]()
    for group in groups:
        translation = translated(pattern, group.newline, group.is_plain)
        places_in = None if translation is None else _places_of(translation.pattern, group)
        if translation is None or places_in is None:
            unclear.append(group.rows)
            beyond.add("what RE2 cannot read")
            continue
        places, tried = _places(places_in, group, end, wanted, translation.is_exact)
        if places is None:  # most texts are open: to find them does not pay
            unclear.append(group.rows)
            continue
        (sure if translation.is_exact else unclear).append(group.rows[places])
        beyond.update(translation.beyond)
        untried += len(group.rows) - tried
    return FoundRows(in_order(sure), in_order(unclear), untried, tuple(sorted(beyond)))


# From a span of bytes to places in it, at least one in each text that matches.
PlacesIn = Callable[[int, int], list[int]]


def _places_of(pattern: str, group: Group) -> PlacesIn | None:
    """Return how to find the texts of a group that match; None if RE2 does not take the pattern."""
    data = group.data
    if not group.is_long:
        to_the_end = _compiled(rf"(?:{pattern})[^\n]*\n?")
        if to_the_end is None:
            return None
        return lambda start, stop: [m.start() for m in to_the_end.finditer(data, start, stop)]
    search = _compiled(pattern)
    if search is None:
        return None
    starts = group.starts.tolist()

    def places(start: int, stop: int) -> list[int]:
        matches = []
        while start <= stop and (match := search.search(data, start, stop)) is not None:
            matches.append(match.start())
            behind = bisect_right(starts, match.start())
            if behind == len(starts):
                break
            start = starts[behind]
        return matches

    return places


@lru_cache(maxsize=4)
def _compiled(pattern: str) -> Any:
    """Return a pattern of RE2, None if it is too large."""
    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    options.max_mem = 1 << 25
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None
    finally:
        re2.purge()  # it would keep 128 of them


def _places(
    places_in: PlacesIn, group: Group, end: float, wanted: StillWanted, is_exact: bool
) -> tuple[np.ndarray | None, int]:
    """Return the texts of a group that match, and how many were tried.

    None where the texts are only those that may match, and are as good as all.
    """
    matches: list[np.ndarray] = [NO_ROWS]
    first, size, n = 0, _FIRST_SLICE, len(group.rows)
    while first < n and time.monotonic() < end:
        if not wanted():
            raise SupersededError("a newer preview took the place of this one")
        started = time.monotonic()
        last = int(np.searchsorted(group.starts, group.starts[first] + size)) - 1
        last = min(max(last, first), n - 1)
        places = places_in(int(group.starts[first]), int(group.stops[last]))
        matches.append(np.searchsorted(group.starts, places, side="right") - 1)
        first, took = last + 1, time.monotonic() - started
        if not is_exact and _ENOUGH < first and len(np.concatenate(matches)) > _MOST_OPEN * first:
            return None, n
        if took < _SHORT:
            size = min(2 * size, _LAST_SLICE)
        elif took > _LONG:
            size = max(size // 2, _FIRST_SLICE)
    return np.unique(np.concatenate(matches)), first


@dataclass(frozen=True)
class TriedRows:
    """What came of a search that may have been stopped.

    Attributes
    ----------
    matching : ndarray of int
        Rows, in no order.
    n_tried : int
    is_stuck : bool
        It was stopped within a text that took very long.
    """

    matching: np.ndarray
    n_tried: int
    is_stuck: bool


def scattered(rows: np.ndarray) -> np.ndarray:
    """Return a number for each row, always the same, by which neighbours are far from each other.

    Multiples of the golden ratio are: any stretch of them is spread evenly.
    """
    return (rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)


class PatternProcess:
    """Python's ``re`` in a process of its own that is killed at a time limit."""

    def __init__(self) -> None:
        self._worker = KillableWorker(_WORKER)

    def start(self) -> None:
        """Start the process ahead of its first use."""
        self._worker.start()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def matching(
        self,
        pattern: re.Pattern[str],
        index: TextIndex,
        rows: np.ndarray,
        seconds: float,
        wanted: StillWanted,
    ) -> TriedRows:
        """Return which of some rows match, as far as the time suffices.

        They are tried in an order that is as good as random, so that a part stands for the whole.

        Raises
        ------
        SupersededError
            If the answer is no longer wanted.
        """
        rows = rows[np.argsort(scattered(rows), kind="stable")]
        places: list[int] = []
        tried, reported = 0, time.monotonic()
        answers = self._worker.answers(
            *("rows", *index.located(rows), pattern.pattern, pattern.flags),
            seconds=seconds,
            wanted=wanted,
        )
        try:
            for n_done, some in answers:
                tried, reported = n_done, time.monotonic()
                places += some
        except TimeLimitError:
            pass
        is_stuck = tried < len(rows) and time.monotonic() - reported > _STUCK
        return TriedRows(rows[places], tried, is_stuck)

    def spans(
        self, pattern: re.Pattern[str], texts: list[str], seconds: float
    ) -> list[tuple[tuple[int, int], ...]]:
        """Return what matches in some texts; nothing of those that time does not suffice for."""
        spans: list[tuple[tuple[int, int], ...]] = []
        try:
            spans.extend(
                self._worker.answers(
                    "spans", texts, pattern.pattern, pattern.flags, seconds=seconds
                )
            )
        except TimeLimitError:
            pass
        return [*spans, *[()] * (len(texts) - len(spans))]
