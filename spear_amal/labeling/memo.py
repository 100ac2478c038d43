"""What memoised preprocessors remember: rows by their content, never by their place in memory."""

from __future__ import annotations

import copyreg
import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from spear_amal.labeling.rows import NO_LABEL, copy_row, fields_of, label_of, relabelled

# Bytes above which a key holds a digest in their place.
LONGEST = 64


class Unkeyable(Exception):
    """A value that has no key: nothing tells its content from another one's."""


class Memo:
    """Results for the rows that were used last, by the content of the row.

    Not sent to other processes: there it begins empty.

    Parameters
    ----------
    name : str
        Of the preprocessor, for the warning about rows that have no key.
    size : int
        Number of rows.
    key_of : callable, optional
        From a row to something hashable; :func:`content_key` by default.
    """

    def __init__(
        self, name: str, size: int, key_of: Callable[[Any], Hashable] | None = None
    ) -> None:
        self._name, self.size, self._key_of = name, size, key_of
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._warned = False

    def __len__(self) -> int:
        return len(self._results)

    def __reduce__(self) -> tuple[Any, ...]:
        return Memo, (self._name, self.size, self._key_of)

    def map_rows(
        self, rows: Sequence[Any], compute: Callable[[list[Any]], Iterable[Any]]
    ) -> list[Any]:
        """Results for rows: those that are remembered, and what `compute` makes of the others.

        Equal rows may come from several places of an index, so `compute` sees no index labels; the
        results have those of the rows.
        """
        keys = [self._key(x) for x in rows]
        known = {key: self._results[key] for key in keys if key in self._results}
        fresh = {key: x for key, x in zip(keys, rows, strict=True) if key not in known}
        made = compute([relabelled(copy_row(x), NO_LABEL) for x in fresh.values()])
        known |= dict(zip(fresh, made, strict=True))
        for key in dict.fromkeys(keys):
            if type(key) is not _NoKey:
                self._results[key] = known[key]
                self._results.move_to_end(key)
        while len(self._results) > self.size:
            self._results.popitem(last=False)
        return [
            known[key] if (label := label_of(x)) is NO_LABEL else relabelled(known[key], label)
            for key, x in zip(keys, rows, strict=True)
        ]

    def _key(self, x: Any) -> Hashable:
        try:
            if self._key_of is None:
                return content_key(x)
            return _hashable(self._key_of(x))
        except Unkeyable as reason:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"preprocessor {self._name!r} is not memoised on rows that hold {reason}; give "
                    "memoize_key=, a function from a row to what the result depends on",
                    UserWarning,
                    stacklevel=4,
                )
            return _NoKey()


class _NoKey:
    """Stands for the key of a row that has none: equal to itself alone."""


def _hashable(key: Any) -> Hashable:
    """Return a key of the user's as it is, or by its content: lists and arrays have no hash."""
    try:
        hash(key)
    except TypeError:
        return value_key(key)
    return key


def content_key(x: Any) -> Hashable:
    """Compute a key of the values of all fields of a row: rows with equal keys have equal content.

    Types count (1, True and 1.0 differ), and so does the order of fields. The index label does not.

    Raises
    ------
    Unkeyable
        If a value's content cannot be seen, such as that of an open file.

    Examples
    --------
    >>> content_key({"a": [1, 2]}) == content_key({"a": [1, 2]})
    True
    >>> content_key({"a": [1, 2]}) == content_key({"a": (1, 2)})
    False
    """
    fields = fields_of(x)
    try:
        if fields is None:
            return value_key(x)
        return _keys(fields), _keys(fields.values())
    except RecursionError:
        raise Unkeyable(f"a {type(x).__name__} that reaches through itself") from None


def value_key(value: Any) -> Hashable:
    """Compute a key of one value; errors as for :func:`content_key`."""
    kind = type(value)
    if kind is str:
        return value
    if kind in _PLAIN:
        return kind, value
    read = _READERS.get(kind)
    if read is not None:
        return kind, read(value)
    if isinstance(value, type):
        return type, value
    return kind, *_parts(value)


def _keys(values: Iterable[Any]) -> tuple[Hashable, ...]:
    return tuple(map(value_key, values))


def _array(array: np.ndarray) -> Hashable:
    if array.dtype.hasobject:
        # Its bytes would be pointers, which other objects have later on.
        return array.dtype, array.shape, _keys(array.ravel().tolist())
    return array.dtype, array.shape, _bytes(array.tobytes())


def _bytes(content: bytes | bytearray) -> bytes:
    return hashlib.blake2b(content).digest() if len(content) > LONGEST else bytes(content)


# Types whose values are equal only where nothing tells them apart.
_PLAIN = frozenset([int, bool, type(None)])
_READERS: dict[type, Callable[[Any], Hashable]] = {
    float: float.hex,  # 0.0 equals -0.0, and NaN not even itself
    list: _keys,
    tuple: _keys,
    dict: lambda mapping: (_keys(mapping), _keys(mapping.values())),
    set: lambda elements: frozenset(_keys(elements)),
    frozenset: lambda elements: frozenset(_keys(elements)),
    bytes: _bytes,
    bytearray: _bytes,
    np.ndarray: _array,
}


def _parts(value: Any) -> Iterator[Hashable]:
    """Key of any other object: what a copy of it would be made of."""
    kind = type(value)
    if f"{kind.__module__}.{kind.__name__}" == "spacy.tokens.doc.Doc":
        # Its copy has the whole vocabulary, and to write it as bytes takes longer than to parse it.
        raise Unkeyable("a document of spaCy")
    try:
        reduce = copyreg.dispatch_table.get(kind)
        parts = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:
        raise Unkeyable(f"an object of {kind.__module__}.{kind.__qualname__} ({error})") from error
    if isinstance(parts, str):  # the one object of that name
        yield parts
        return
    make, *rest = parts
    yield make
    for part in rest:  # arguments, state, and iterators over elements
        yield _keys(part) if isinstance(part, Iterator) else value_key(part)
