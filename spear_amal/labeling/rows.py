"""Row objects: what a labelling function sees of one row of a table, and how rows are read."""

from __future__ import annotations

import array
import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, overload

import numpy as np
import pandas as pd

from spear_amal.errors import InputError

ReadT = TypeVar("ReadT")


class NO_LABEL:
    """Stands for the index label of a row that has none."""


class _ReadFromRow(Generic[ReadT]):
    """An attribute read from the row; unlike a property it leaves its name to a column."""

    def __init__(self, read: Callable[[Row], ReadT]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    @overload
    def __get__(self, row: None, owner: type) -> _ReadFromRow[ReadT]: ...
    @overload
    def __get__(self, row: Row, owner: type) -> ReadT: ...
    def __get__(self, row: Row | None, owner: type) -> _ReadFromRow[ReadT] | ReadT:
        return self if row is None else self._read(row)


class Row(SimpleNamespace):
    """One row of a table: fields as attributes and as items; much cheaper than a pandas Series.

    It answers as a pandas row does (``df.iloc[i]``): `name`, `index`, `values`, ``keys()``,
    ``items()``, ``get()``, ``to_dict()``, ``isna()``, ``notna()``, ``len(x)``, ``name in x`` and
    iteration, which gives the values. :meth:`to_series` has all the rest. Unlike there, a column
    wins: with a column called ``name`` or ``items``, ``x.name`` and ``x.items`` are its values.

    Examples
    --------
    >>> x = Row(text="win a prize", n_links=2)
    >>> x.text, x["n_links"], "text" in x, x.get("likes", 0)
    ('win a prize', 2, True, 0)
    >>> list(x), x.to_dict()
    (['win a prize', 2], {'text': 'win a prize', 'n_links': 2})
    """

    # Beside the fields, which alone are in __dict__; two underscores keep it from their names.
    __slots__ = ("__label",)

    def __getitem__(self, name: Any) -> Any:
        return Row.to_series(self)[name] if type(name) is list else self.__dict__[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        self.__dict__[name] = value

    def __delitem__(self, name: Any) -> None:
        del self.__dict__[name]

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__dict__.values())

    def __len__(self) -> int:
        return len(self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        return row_of, (self.__dict__, label_of(self), type(self))

    @_ReadFromRow
    def name(self) -> Any:
        """Label of the row in the index of the DataFrame.

        Raises
        ------
        AttributeError
            If the row has none.
        """
        label = label_of(self)
        if label is NO_LABEL:
            raise AttributeError(
                "this row has no index label ('name'): it does not come from a pandas DataFrame, "
                "or a memoised preprocessor reads it, which sees no more than the fields"
            )
        return label

    @_ReadFromRow
    def index(self) -> pd.Index:
        """Names of the fields."""
        return pd.Index(list(self.__dict__))

    @_ReadFromRow
    def values(self) -> np.ndarray:
        """Values of the fields as an array of objects, (k,)."""
        return Row.to_series(self).to_numpy()

    def get(self, name: Any, default: Any = None) -> Any:
        """Value of a field, or `default` if the row has no such field."""
        return self.__dict__.get(name, default)

    def keys(self) -> Any:
        """Names of the fields."""
        return self.__dict__.keys()

    def items(self) -> Any:
        """Names and values of the fields."""
        return self.__dict__.items()

    def to_dict(self) -> dict[Any, Any]:
        """Fields as a dict."""
        return dict(self.__dict__)

    def to_series(self) -> pd.Series:
        """Fields as a pandas Series of objects, with the index label as its name."""
        names, values = pd.Index(list(self.__dict__)), np.empty(len(self.__dict__), dtype=object)
        for k, value in enumerate(self.__dict__.values()):  # an array in a cell is one value
            values[k] = value
        label = label_of(self)
        return pd.Series(values, names, name=None if label is NO_LABEL else label)

    def isna(self) -> pd.Series:
        """Return whether the value of each field is missing."""
        return Row.to_series(self).isna()

    def notna(self) -> pd.Series:
        """Return whether the value of each field is there."""
        return Row.to_series(self).notna()

    isnull, notnull = isna, notna


def row_of(
    fields: Iterable[tuple[Any, Any]] | Mapping[Any, Any],
    label: Any = NO_LABEL,
    kind: type[Row] = Row,
) -> Row:
    """Make a :class:`Row` of names and values; names need not be identifiers."""
    row = kind()
    row.__dict__.update(fields)
    row._Row__label = label
    return row


def label_of(x: Any) -> Any:
    """Return the index label of a row, or NO_LABEL."""
    if isinstance(x, Row):
        return getattr(x, "_Row__label", NO_LABEL)
    return x.name if isinstance(x, pd.Series) else NO_LABEL


def relabelled(x: Any, label: Any) -> Any:
    """Return a row with another index label; what is no :class:`Row` as it is."""
    return row_of(vars(x), label) if isinstance(x, Row) else x


def fields_of(x: Any) -> Mapping[Any, Any] | None:
    """Names and values of the fields of a row of a table; None for a data point of another kind."""
    if isinstance(x, Row):
        return vars(x)
    if isinstance(x, pd.Series):
        return dict(x.items())
    return x._asdict() if is_named_tuple(x) else None


def is_named_tuple(x: Any) -> bool:
    """Return whether `x` is a tuple with names, such as a row of ``itertuples``."""
    return isinstance(x, tuple) and hasattr(x, "_fields")


def field(x: Any, name: Any) -> Any:
    """Value of one field of a data point; a plain string is its own text.

    Raises
    ------
    InputError
        If the data point has no such field.
    """
    if isinstance(x, str):
        return x
    if isinstance(x, Row):
        if name in vars(x):  # a method of the row is no field of it
            return vars(x)[name]
    elif isinstance(x, Mapping | pd.Series):
        if name in x:
            return x[name]
    elif is_named_tuple(x):
        if name in x._fields:
            return getattr(x, name)
    elif hasattr(x, name):
        return getattr(x, name)
    raise InputError(f"no column {name!r}; the row has {_field_names(x)}")


def _field_names(x: Any) -> list[str]:
    fields = x if isinstance(x, Mapping) else fields_of(x)
    if fields is not None:
        return [str(name) for name in fields]
    return list(vars(x)) if hasattr(x, "__dict__") else [f"the type {type(x).__name__}"]


def set_field(x: Any, name: Any, value: Any) -> None:
    """Set one field of a row: an item of a mapping or a :class:`Row`, else an attribute."""
    if isinstance(x, MutableMapping | Row):
        x[name] = value
    else:
        setattr(x, name, value)


# What a preprocessor could change inside a copied row; everything else is shared with the copy.
_CONTAINERS = (list, dict, set, bytearray, tuple, deque, array.array, np.ndarray)
_VALUES = (str, bytes, int, float, frozenset)
_UNCHANGING = frozenset([str, int, float, bool, type(None)])


def copy_row(x: Any) -> Any:
    """Copy a row so that a preprocessor may change it.

    Containers and dataclasses inside are copied too, with all that they hold. A pandas Series or a
    named tuple becomes a :class:`Row`, which takes new fields.
    """
    if type(x) is Row:  # by far the most frequent, and faster this way
        copied: Any = row_of(vars(x), label_of(x))
    else:
        if isinstance(x, pd.Series) or is_named_tuple(x):
            x = row_of(fields_of(x) or {}, label_of(x))
        if isinstance(x, _VALUES) or x is None:
            return x
        if isinstance(x, _CONTAINERS):
            return copy.deepcopy(x)
        copied = copy.copy(x)
        for name in _slots_of(type(x)):
            if _is_container(value := getattr(copied, name, None)):
                object.__setattr__(copied, name, copy.deepcopy(value))
    fields = getattr(copied, "__dict__", {})
    for name, value in fields.items():
        if type(value) not in _UNCHANGING and _is_container(value):
            fields[name] = copy.deepcopy(value)
    return copied


def _is_container(value: Any) -> bool:
    return isinstance(value, _CONTAINERS) or hasattr(type(value), "__dataclass_fields__")


def _slots_of(kind: type) -> list[str]:
    """Names of the attributes that objects of a class keep outside ``__dict__``."""
    named = [base.__dict__.get("__slots__", ()) for base in kind.__mro__]
    slots = [(names,) if isinstance(names, str) else tuple(names) for names in named]
    return [name for names in slots for name in names if not name.startswith("__")]
