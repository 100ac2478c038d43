"""Reading and writing by other threads, while this one works on what lies between.

It pays where most of the time Python is left to others: reading, unpacking, writing. Once one of
these generators ends or is closed, whatever the reason, its thread is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
_END: Any = object()


def read_ahead(items: Generator[ItemT], most: int = 2) -> Generator[ItemT]:
    """Yield the items of a generator, of which up to `most` are made before they are asked for.

    An error in an item is raised where that would be yielded. The generator is closed at the end.

    Examples
    --------
    >>> list(read_ahead(letter for letter in "abc"))
    ['a', 'b', 'c']
    """
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        waiting = deque(thread.submit(next, items, _END) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def run_behind(calls: Iterable[Callable[[], ItemT]], most: int = 2) -> Generator[ItemT]:
    """Yield what calls return, of which up to `most` run or wait while the next one is made.

    An error of a call is raised where its result would be yielded. If the making fails, calls that
    were made before are done first.

    Examples
    --------
    >>> list(run_behind(letter.upper for letter in "abc"))
    ['A', 'B', 'C']
    """
    with ThreadPoolExecutor(1, thread_name_prefix="run-behind") as thread:
        waiting: deque[Future[ItemT]] = deque()
        for call in calls:
            waiting.append(thread.submit(call))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
