"""On which rows a pattern of Python's ``re`` matches, whatever the pattern.

RE2 finds them in linear time where a pattern can be said in its words, or else rows among which
they are; the latter, and all rows without the package ``google-re2``, are tried by ``re`` in a
process that is killed at a time limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spear_amal.labeling.required_literals import RequiredLiterals
from spear_amal.labeling.text_search import TextScanner
from spear_amal.workbench.killable import KillableWorker, SupersededError, TimeLimitError
from spear_amal.workbench.patterns import translated
from spear_amal.workbench.text_index import Group, TextIndex

try:
    import re2
except ImportError:  # all is found without it, more slowly
    re2 = None

_WORKER = "spear_amal.workbench.pattern_worker:answer"
# Bytes that are searched between two looks at the clock, and seconds that a look may wait.
_FIRST_SLICE, _LAST_SLICE = 1 << 16, 1 << 23
_SHORT, _LONG = 0.005, 0.02
_NO_ROWS = np.empty(0, np.int64)

Wanted = Callable[[], bool]


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


def rows_with_words(needed: RequiredLiterals, index: TextIndex) -> FoundRows:
    """Return the rows that hold one of some words; those that are odd stay open."""
    sure, unclear = [_NO_ROWS], [index.odd]
    words = tuple(_as_in_groups(word, index.newline) for word in needed.words)
    known = tuple(word for word in words if word is not None)
    if known:
        scanner = TextScanner([RequiredLiterals(known, needed.lowered, needed.proof, needed.alone)])
        for group in index.groups:
            for rows, chunk in group.chunks():
                [candidates] = scanner.scan(chunk)
                sure.append(rows[candidates.sure])
                unclear.append(rows[candidates.open])
    return FoundRows(_in_order(sure), _in_order(unclear))


def _in_order(parts: list[np.ndarray]) -> np.ndarray:
    rows = np.sort(np.concatenate(parts))
    return rows[rows >= 0]


def _as_in_groups(word: str, newline: str | None) -> str | None:
    """Return a word as the texts of a group have it, None if none can."""
    if newline is None:
        return None if "\n" in word else word
    return None if newline in word else word.replace("\n", newline)


def rows_by_re2(
    pattern: re.Pattern[str], index: TextIndex, seconds: float, wanted: Wanted
) -> FoundRows | None:
    """Return the rows that match a pattern as far as RE2 can say; None if it cannot.

    Parameters
    ----------
    pattern : compiled pattern
    index : TextIndex
    seconds : float
    wanted : callable

    Raises
    ------
    SupersededError
        If the answer is no longer wanted.
    """
    if re2 is None:
        return None
    end = time.monotonic() + seconds
    sure, unclear, untried, beyond = [_NO_ROWS], [index.odd], 0, set[str]()
    for group in index.groups:
        translation = translated(pattern, group.newline, group.is_plain)
        search = None if translation is None else _compiled(translation.pattern)
        if translation is None or search is None:
            unclear.append(group.rows)
            beyond.add("what RE2 cannot read")
            continue
        places, tried = _places(search, group, end, wanted)
        (sure if translation.is_exact else unclear).append(group.rows[places])
        beyond.update(translation.beyond)
        untried += len(group.rows) - tried
    return FoundRows(_in_order(sure), _in_order(unclear), untried, tuple(sorted(beyond)))


@lru_cache(maxsize=4)
def _compiled(pattern: str) -> Any:
    """Return a compiled pattern of RE2 that matches to the end of a row; None if it has none."""
    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    options.max_mem = 1 << 25
    try:
        return re2.compile(rf"(?:{pattern})[^\n]*\n?", options)
    except re2.error:  # too large
        return None
    finally:
        re2.purge()  # it would keep 128 of them


def _places(search: Any, group: Group, end: float, wanted: Wanted) -> tuple[np.ndarray, int]:
    """Return the texts of a group that match, and how many were tried."""
    matches: list[np.ndarray] = [_NO_ROWS]
    first, size, n = 0, _FIRST_SLICE, len(group.rows)
    while first < n and time.monotonic() < end:
        if not wanted():
            raise SupersededError("a newer preview took the place of this one")
        started = time.monotonic()
        last = int(np.searchsorted(group.starts, group.starts[first] + size)) - 1
        last = min(max(last, first), n - 1)
        span = int(group.starts[first]), int(group.stops[last])
        places = [match.start() for match in search.finditer(group.data, *span)]
        matches.append(np.searchsorted(group.starts, places, side="right") - 1)
        first, took = last + 1, time.monotonic() - started
        if took < _SHORT:
            size = min(2 * size, _LAST_SLICE)
        elif took > _LONG:
            size = max(size // 2, _FIRST_SLICE)
    return np.unique(np.concatenate(matches)), first


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
        wanted: Wanted,
    ) -> tuple[np.ndarray, int]:
        """Return which of some rows match, and how many of them were tried in the time.

        Raises
        ------
        SupersededError
            If the answer is no longer wanted.
        """
        places: list[int] = []
        tried = 0
        answers = self._worker.answers(
            *("rows", *index.located(rows), pattern.pattern, pattern.flags),
            seconds=seconds,
            wanted=wanted,
        )
        try:
            for n_done, some in answers:
                tried = n_done
                places += some
        except TimeLimitError:
            pass
        return rows[places], tried

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
