"""Preprocessors: functions from row to row that several labelling functions share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, overload

import numpy as np

from spear_amal._typing import NamedFunction, PointFunction, PointT, PreparedT
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.memo import Memo
from spear_amal.labeling.rows import copy_row, field, set_field
from spear_amal.labeling.user_functions import (
    as_chain,
    as_resources,
    checked,
    checked_name,
    name_of,
    take_identity,
)

# Rows that a memo keeps; a memo without bound would hold a whole corpus of parsed texts.
MEMO_SIZE = 10_000


class BasePreprocessor(Generic[PointT, PreparedT]):
    """Maps rows to rows; works on copies, so the rows handed in stay as they are.

    Within one ``apply`` a preprocessor runs once a row, however many LFs name it; `memoize` keeps
    the last `memo_size` results beyond that, from one ``apply`` to the next.

    Parameters
    ----------
    name : str
    pre : sequence of preprocessors, optional
        Run before this one.
    memoize : bool, default=False
    memoize_key : callable, optional
        From a row to something hashable, which the result depends on alone; by default the content
        of all fields. A memoised preprocessor sees no index label (``x.name``).
    memo_size : int, default=10_000
    """

    def __init__(
        self,
        name: str,
        pre: Sequence[NamedFunction] | None = None,
        memoize: bool = False,
        memoize_key: Callable[[Any], Hashable] | None = None,
        memo_size: int = MEMO_SIZE,
    ) -> None:
        self.name = checked_name(name, "a preprocessor")
        self.pre = as_chain(pre, f"preprocessor {name!r}")
        check_whole(f"memo_size of preprocessor {name!r}", memo_size, 0)
        self.memoize = memoize
        self.memo_size = memo_size
        self.memoize_key = memoize_key
        self._memo = Memo(name, memo_size, memoize_key)

    def share_key(self) -> Hashable:
        """Preprocessors with equal keys give equal rows, so that one run serves both."""
        return id(self)

    def reset_cache(self) -> None:
        """Forget all memoised rows."""
        self._memo.clear()

    def __call__(self, x: PointT) -> PreparedT:
        """Return a copy of `x` with this preprocessor, and those before it, applied."""
        prepared: PreparedT = run_chain((self,), x)
        return prepared

    def map_rows(self, rows: Iterable[Any]) -> list[Any]:
        """Apply this preprocessor alone to rows; the rows handed in are not changed."""
        rows = list(rows)
        if self.memoize:
            return self._memo.map_rows(rows, self._map_copies)
        return self._map_copies([copy_row(x) for x in rows])

    def _map_copies(self, rows: list[Any]) -> list[Any]:
        mapped = self._map_fresh(rows)
        if any(x is None for x in mapped):
            raise InputError(f"preprocessor {self.name!r} returned None; it must return the row")
        return mapped

    def _map_fresh(self, rows: list[Any]) -> list[Any]:
        """Map rows that may be changed in place; override for batches."""
        return [self._map_one(x) for x in rows]

    def _map_one(self, x: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}, Pre: {list(self.pre)}"


class Preprocessor(BasePreprocessor):
    """Base for preprocessors written as a class: override :meth:`run`.

    Parameters
    ----------
    name : str
    field_names : mapping, optional
        From an argument of :meth:`run` to the field that it reads; same names by default.
    mapped_field_names : mapping, optional
        From a key that :meth:`run` returns to the field that it becomes; same names by default.
    pre, memoize, memoize_key, memo_size
        As in :class:`BasePreprocessor`.
    """

    def __init__(
        self,
        name: str,
        field_names: Mapping[str, str] | None = None,
        mapped_field_names: Mapping[str, str] | None = None,
        pre: Sequence[NamedFunction] | None = None,
        memoize: bool = False,
        memoize_key: Callable[[Any], Hashable] | None = None,
        memo_size: int = MEMO_SIZE,
    ) -> None:
        super().__init__(name, pre, memoize, memoize_key, memo_size)
        if field_names is None:
            field_names = {
                argument: argument for argument in inspect.signature(self.run).parameters
            }
        self.field_names = dict(field_names)
        self.mapped_field_names = mapped_field_names

    def run(self, *args: Any, **fields: Any) -> Mapping[str, Any] | None:
        """Compute new fields, as a mapping, from the values of the fields named; override this."""
        raise NotImplementedError

    def _map_one(self, x: Any) -> Any:
        new = self.run(**{name: field(x, source) for name, source in self.field_names.items()})
        if new is None:
            return None
        renamed = self.mapped_field_names or {}
        for name, value in new.items():
            set_field(x, renamed.get(name, name), value)
        return x


def flat_chain(pre: Iterable[Any]) -> tuple[Any, ...]:
    """Preprocessors in the order in which they run, those before each one included."""
    chain: list[Any] = []
    for step in pre:
        if isinstance(step, BasePreprocessor):
            chain += flat_chain(step.pre)
        chain.append(step)
    return tuple(chain)


def map_rows(step: Any, rows: list[Any]) -> list[Any]:
    """Apply one preprocessor, ours or another package's callable, to rows."""
    if isinstance(step, BasePreprocessor):
        return step.map_rows(rows)
    mapped = [step(x) for x in rows]
    if any(x is None for x in mapped):
        raise InputError(f"preprocessor {step!r} returned None; it must return the row")
    return mapped


def run_chain(pre: Iterable[Any], x: Any) -> Any:
    """One row with a chain of preprocessors applied."""
    for step in flat_chain(pre):
        x = map_rows(step, [x])[0]
    return x


class LambdaPreprocessor(BasePreprocessor[PointT, PreparedT]):
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
        pre: Sequence[NamedFunction] | None = None,
        memoize: bool = False,
        memoize_key: Callable[[Any], Hashable] | None = None,
        memo_size: int = MEMO_SIZE,
        resources: Mapping[str, Any] | None = None,
        batched: bool = False,
    ) -> None:
        take_identity(self, checked(f, f"preprocessor {name!r}", may_generate=batched))
        super().__init__(name, pre, memoize, memoize_key, memo_size)
        self._f = f
        self.resources = as_resources(resources, f"preprocessor {name!r}")
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


class PreprocessorDecorator(Protocol):
    """What :func:`preprocessor` with brackets returns."""

    def __call__(
        self, f: PointFunction[PointT, PreparedT], /
    ) -> LambdaPreprocessor[PointT, PreparedT]:
        """Make a preprocessor of `f`."""


class BatchedDecorator(Protocol):
    """What :func:`preprocessor` with ``batched=True`` returns."""

    def __call__(
        self, f: PointFunction[list[PointT], Iterable[PreparedT]], /
    ) -> LambdaPreprocessor[PointT, PreparedT]:
        """Make a preprocessor of `f`, which maps lists of rows."""


@overload
def preprocessor(
    name: PointFunction[PointT, PreparedT],
) -> LambdaPreprocessor[PointT, PreparedT]: ...
@overload
def preprocessor(
    name: str | None = None,
    pre: Sequence[NamedFunction] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    memo_size: int = MEMO_SIZE,
    resources: Mapping[str, Any] | None = None,
    batched: Literal[False] = False,
) -> PreprocessorDecorator: ...
@overload
def preprocessor(
    name: str | None = None,
    pre: Sequence[NamedFunction] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    memo_size: int = MEMO_SIZE,
    resources: Mapping[str, Any] | None = None,
    *,
    batched: Literal[True],
) -> BatchedDecorator: ...
def preprocessor(
    name: Any = None,
    pre: Sequence[NamedFunction] | None = None,
    memoize: bool = False,
    memoize_key: Callable[[Any], Hashable] | None = None,
    memo_size: int = MEMO_SIZE,
    resources: Mapping[str, Any] | None = None,
    batched: bool = False,
) -> LambdaPreprocessor | PreprocessorDecorator | BatchedDecorator:
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

    def decorate(f: Callable[..., Any]) -> LambdaPreprocessor:
        own_name = name_of(f) if name is None or f is name else name
        return LambdaPreprocessor(
            own_name, f, pre, memoize, memoize_key, memo_size, resources, batched
        )

    return decorate(name) if callable(name) else decorate


lambda_mapper = preprocessor


class Failure:
    """Stands for a row on which a preprocessor failed."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class PreparedRows:
    """A chunk of rows under every chain of preprocessors that was asked for.

    Parameters
    ----------
    rows : list
        Data points as they came; they are not changed.
    """

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self._known: dict[Hashable, list[Any]] = {}

    def get(self, chain: tuple[Any, ...]) -> list[Any]:
        """Rows after a chain; chains with a common beginning share its work."""
        if not chain:
            return self._rows
        key = tuple(share_key(step) for step in chain)
        if key not in self._known:
            self._known[key] = _map_what_can(chain[-1], self.get(chain[:-1]))
        return self._known[key]


def share_key(step: Any) -> Hashable:
    """Equal for preprocessors of which one run serves both."""
    return step.share_key() if isinstance(step, BasePreprocessor) else id(step)


def _map_what_can(step: Any, rows: list[Any]) -> list[Any]:
    """Map the rows that have not failed before; a :class:`Failure` stands for those that fail."""
    good = [x for x in rows if not isinstance(x, Failure)]
    mapped = iter(_map_in_halves(step, good))
    return [x if isinstance(x, Failure) else next(mapped) for x in rows]


def _map_in_halves(step: Any, rows: list[Any]) -> list[Any]:
    """Map rows as a batch; if that fails each half, down to the rows at fault."""
    try:
        return map_rows(step, rows)
    except Exception as error:
        if len(rows) == 1:
            return [Failure(error)]
    middle = len(rows) // 2
    return _map_in_halves(step, rows[:middle]) + _map_in_halves(step, rows[middle:])
