"""On which rows a pattern of Python's ``re`` matches, whatever the pattern.

RE2, in the library Arrow, finds them in linear time where a pattern can be said in its words, or
else rows among which they are; the latter, and all rows without the package ``pyarrow``, are tried
by ``re`` in a process that is killed at a time limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.labeling.re2_patterns import Translation, translated
from spear_amal.workbench.killable import KillableWorker, SupersededError, TimeLimitError
from spear_amal.workbench.text_index import Group, TextIndex

try:
    import pyarrow as arrow
    from pyarrow.compute import match_substring_regex
except ImportError:  # all is found without it, more slowly
    arrow = None

_WORKER = "spear_amal.workbench.pattern_worker:pattern_answers"
# Bytes that are searched between two looks at the clock: so many that this takes about so many
# seconds, and more than the last time by so much at most.
_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 23
_SECONDS, _GROWTH = 0.02, 16
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
    if arrow is None:
        return None
    seconds *= _LINEAR  # it comes to an end, and nothing is blocked meanwhile
    end = time.monotonic() + seconds
    sure, unclear, untried, beyond = [NO_ROWS], [NO_ROWS], 0, set[str]()
    for group in groups:
        translation = translated(pattern, group.newline, group.is_plain)
        places, tried = None, 0
        try:
            if translation is not None:
                places, tried = _places(translation, group, end, wanted)
        except arrow.ArrowInvalid:  # it is too large
            translation = None
        beyond.update(("what RE2 cannot read",) if translation is None else translation.beyond)
        if places is None or translation is None:
            unclear.append(group.rows)
            continue
        (sure if translation.is_exact else unclear).append(group.rows[places])
        untried += len(group.rows) - tried
    return FoundRows(in_order(sure), in_order(unclear), untried, tuple(sorted(beyond)))


def _places(
    translation: Translation, group: Group, end: float, wanted: StillWanted
) -> tuple[np.ndarray | None, int]:
    """Return the texts of a group that match, and how many were tried.

    None where the texts are only those that may match, and are as good as all: to find them does
    not pay.
    """
    matches: list[np.ndarray] = [NO_ROWS]
    size, stop, n_matches = _LEAST_BYTES, 0, 0
    while stop < len(group.rows) and time.monotonic() < end:
        if not wanted():
            raise SupersededError("a newer preview took the place of this one")
        started = time.monotonic()
        first, stop = stop, group.span(stop, size)
        texts = group.as_arrow.slice(2 * first, 2 * (stop - first))
        fires = match_substring_regex(texts, translation.pattern)  # other threads run meanwhile
        matches.append(first + np.flatnonzero(fires.to_numpy(zero_copy_only=False)[::2]))
        n_matches += len(matches[-1])
        if not translation.is_exact and _ENOUGH < stop and n_matches > _MOST_OPEN * stop:
            return None, stop
        pace = _SECONDS / max(time.monotonic() - started, _SECONDS / _GROWTH)
        size = min(max(int(size * pace), _LEAST_BYTES), _MOST_BYTES)
    return np.concatenate(matches), stop


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
