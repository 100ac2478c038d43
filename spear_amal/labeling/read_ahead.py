"""Items of an iterator made ahead of their use, by another thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
_END: Any = object()


def read_ahead(items: Generator[ItemT], most: int = 2) -> Generator[ItemT]:
    """Yield the items of an iterator, of which up to `most` wait to be taken.

    Whoever takes them works while the next ones are made: worth it where making one is reading and
    unpacking, which leave Python to others. An error in an item is raised where that would be
    yielded. Once this ends or is closed, `items` are closed, and there is no thread any more.

    Parameters
    ----------
    items : generator
    most : int, default=2

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
