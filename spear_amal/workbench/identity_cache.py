"""What was computed from objects, for as long as these are the same objects."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

ValueT = TypeVar("ValueT")


class IdentityCache:
    """Values by name, each with the objects that it was computed from.

    Arrays and tables of a snapshot are never changed, so a value holds while they are the same
    objects. Methods may be called from several threads; two that lack one value both compute it.

    Parameters
    ----------
    size : int
        Values that are kept, those that were asked for last.

    Examples
    --------
    >>> cache, numbers = IdentityCache(2), [1, 2]
    >>> cache.get("sum", (numbers,), lambda: sum(numbers))
    3
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[tuple[object, ...], object]] = OrderedDict()

    def get(
        self, name: Hashable, about: tuple[object, ...], compute: Callable[[], ValueT]
    ) -> ValueT:
        """Return what was computed from the same objects, or compute it.

        Parameters
        ----------
        name : hashable
        about : tuple
            Objects; whole numbers among them are the same if they are equal.
        compute : callable
        """
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and _are_same(kept[0], about):
                self._kept.move_to_end(name)
                return kept[1]  # type: ignore[return-value]
        value = compute()
        with self._lock:
            self._kept[name] = (about, value)
            self._kept.move_to_end(name)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return value


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(
        a is b or (isinstance(a, int) and a == b) for a, b in zip(some, others, strict=True)
    )
