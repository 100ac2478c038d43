"""Python's ``re`` on the rows of a :class:`.TextIndex`, in a process that may be killed."""

from __future__ import annotations

import mmap
import re
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

_REPORT = 0.01  # seconds between two reports
MOST_SPANS = 200  # of a text


def pattern_answers(task: str, *request: Any) -> Iterator[Any]:
    """Yield the answers to one request; see the functions that it may name."""
    tasks: dict[str, Callable[..., Iterator[Any]]] = {
        "rows": matching_rows,
        "spans": spans_in_texts,
    }
    yield from tasks[task](*request)


def matching_rows(
    file: str, starts: bytes, stops: bytes, newline: str | None, pattern: str, flags: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield how many texts were tried, and the places of those that match, since the last report.

    Parameters
    ----------
    file : str
        Texts in UTF-8.
    starts, stops : bytes
        Where they lie, as numbers of eight bytes.
    newline : str or None
        What stands for a newline in a text.
    pattern : str
    flags : int
    """
    search = re.compile(pattern, flags).search
    matches: list[int] = []
    n_tried = 0
    due = time.perf_counter() + _REPORT
    for n_tried, text in enumerate(texts_in_file(file, starts, stops, newline), 1):
        if search(text) is not None:
            matches.append(n_tried - 1)
        if time.perf_counter() > due:
            yield n_tried, matches
            matches, due = [], time.perf_counter() + _REPORT
    yield n_tried, matches


def texts_in_file(file: str, starts: bytes, stops: bytes, newline: str | None) -> Iterator[str]:
    """Yield texts that lie in a file; see :func:`matching_rows`."""
    data = _content(file)
    for start, stop in zip(array("q", starts), array("q", stops), strict=True):
        text = data[start:stop].decode("utf-8", "surrogatepass")
        yield text if newline is None else text.replace(newline, "\n")


@lru_cache(maxsize=4)
def _content(file: str) -> Any:
    with open(file, "rb") as handle:
        handle.seek(0, 2)
        size = handle.tell()
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if size else b""


def spans_in_texts(
    texts: Sequence[str], pattern: str, flags: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield of each text what matches: from and to which character, without empty matches."""
    expression = re.compile(pattern, flags)
    for text in texts:
        spans = []
        for match in expression.finditer(text):
            if match.end() > match.start():
                spans.append(match.span())
            if len(spans) == MOST_SPANS:
                break
        yield tuple(spans)
