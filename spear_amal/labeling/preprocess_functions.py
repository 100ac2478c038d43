"""Preprocessors made of a user's function: of one row, or of a list of rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.labeling.preprocess import MEMO_SIZE, BasePreprocessor


class LambdaPreprocessor(BasePreprocessor):
    """A preprocessor made of a function from row to row, or rows to rows; see :func:`preprocessor`.

    Parameters
    ----------
    name : str
    f : callable
    pre, memoize, memoize_key, memo_size
        As in :class:`BasePreprocessor`.
    resources : mapping, optional
        Keyword arguments handed to `f` at every call.
    batched : bool, default=False
        `f` gets a list of rows and returns as many, in their order.
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., Any],
        pre: Sequence[Any] | None = None,
        memoize: bool = False,
        memoize_key: Callable[[Any], Hashable] | None = None,
        memo_size: int = MEMO_SIZE,
        resources: Mapping[str, Any] | None = None,
        batched: bool = False,
    ) -> None:
        functools.update_wrapper(self, f)
        super().__init__(name, pre, memoize, memoize_key, memo_size)
        self._f = f
        self.resources = dict(resources or {})
        self.batched = batched

    def _map_fresh(self, rows: list[Any]) -> list[Any]:
        if not self.batched:
            return super()._map_fresh(rows)
        if not rows:
            return []
        mapped = self._f(rows, **self.resources)
        if not isinstance(mapped, Sequence | Iterator | np.ndarray) or isinstance(mapped, str):
            raise InputError(
                f"batched preprocessor {self.name!r} returned {type(mapped).__name__}; it must "
                "return a list of rows"
            )
        mapped = list(mapped)
        if len(mapped) != len(rows):
            raise InputError(
                f"batched preprocessor {self.name!r} returned {len(mapped)} rows for {len(rows)}; "
                "it must return as many as it gets, in their order"
            )
        return mapped

    def _map_one(self, x: Any) -> Any:
        return self._f(x, **self.resources)


def preprocessor(
    name: Any = None,
    pre: Sequence[Any] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    memo_size: int = MEMO_SIZE,
    resources: Mapping[str, Any] | None = None,
    batched: bool = False,
) -> Any:
    """Make a preprocessor of a function from row to row; with brackets or without.

    The function gets a copy and may change it in place, but must return it.

    Parameters
    ----------
    name : str, optional
        The function's own name by default.
    pre, memoize, memoize_key, memo_size
        As in :class:`BasePreprocessor`.
    resources : mapping, optional
        Keyword arguments handed to the function at every call.
    batched : bool, default=False
        The function gets a list of copies, and returns as many rows in their order: for models
        that are faster on many rows. An applier hands over up to 1,024 at a time; if that fails,
        fewer and fewer, so that the row at fault is named and the others have their votes.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> @preprocessor(memoize=True)
    ... def lower(x):
    ...     x.text = x.text.lower()
    ...     return x
    >>> row = SimpleNamespace(text="FREE")
    >>> lower(row).text, row.text
    ('free', 'FREE')
    >>> @preprocessor(batched=True)
    ... def length(rows):
    ...     for x, n in zip(rows, [len(x.text) for x in rows]):
    ...         x.length = n
    ...     return rows
    >>> length(row).length
    4
    """
    if callable(name):
        return LambdaPreprocessor(name.__name__, name)

    def decorate(f: Callable[..., Any]) -> LambdaPreprocessor:
        return LambdaPreprocessor(
            name or f.__name__, f, pre, memoize, memoize_key, memo_size, resources, batched
        )

    return decorate


lambda_mapper = preprocessor
