"""Read old pickles of NumPy arrays without running anything that they name.

A pickle is a program: it says which functions to call. This reader answers to the handful of
names that a pickled array needs, and gives stand-ins of its own for them; arrays are built here
from checked shapes, types and bytes, so that not even NumPy's own reconstruction sees the file.

A pickle may name one object many times over, so that a few bytes of it stand for a great deal: a
reading has a budget of steps, of memory and of keys, and what is shared stays shared.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
import reprlib
import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError

_PLAIN_TYPE = re.compile(r"[<>=|]?[biufSU]\d*|[<>=|]?O\d*")
# What damaged or hostile bytes make the unpickler raise.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    AssertionError,
    struct.error,
)


#: Bytes that a file may have, and instructions, containers and keys that it may hold.
MOST_BYTES = 1 << 31
MOST_STEPS = 20_000_000
MOST_CONTAINERS = 1_000_000
MOST_KEYS = 10_000
#: Bytes of arrays that may be built for each byte of the file: a pointer takes eight.
GROWTH = 16
_LEAST_MEMORY = 1 << 20


class _Budget:
    """What is left to spend on one file.

    Parameters
    ----------
    size : int
        Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._left = {
            "containers": MOST_CONTAINERS,
            "keys": MOST_KEYS,
            "bytes of arrays": GROWTH * size + _LEAST_MEMORY,
        }

    def spend(self, amount: int, what: str) -> None:
        """Raise pickle.UnpicklingError if more is asked for than is left."""
        self._left[what] -= amount
        if self._left[what] < 0:
            raise pickle.UnpicklingError(f"it asks for more {what} than its size can account for")


class _Type:
    """Stand-in for a dtype: plain numbers, strings and objects only."""

    def __init__(self, name: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(name, str) or not _PLAIN_TYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"array type {reprlib.repr(name)} is not a plain one")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"byte order {reprlib.repr(order)} is unknown")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stand-in for an array: becomes one when its shape, type and bytes have been checked."""

    value: np.ndarray | None = None
    budget: _Budget | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if self.budget is None:
            raise pickle.UnpicklingError("an array was made by no function that makes arrays")
        self.value = _build(self.budget, shape, kind, data, "F" if fortran else "C")


def _build(
    budget: _Budget, shape: Any, kind: Any, data: Any, order: Literal["C", "F"]
) -> np.ndarray:
    if not isinstance(kind, _Type) or not _is_shape(shape):
        raise pickle.UnpicklingError("an array has no sound shape or type")
    size = math.prod(shape)
    if kind.dtype.hasobject:
        flat = _objects(budget, data, size)
    else:
        flat = np.frombuffer(_raw(budget, data), dtype=kind.dtype).copy()
    if flat.size != size:
        raise pickle.UnpicklingError(f"an array of shape {shape} holds {flat.size} values")
    return flat.reshape(shape, order=order)


def _is_shape(shape: Any) -> bool:
    whole = isinstance(shape, tuple | list) and len(shape) <= 32
    return whole and all(type(length) is int and 0 <= length < 1 << 63 for length in shape)


def _raw(budget: _Budget, data: Any) -> bytes:
    """Bytes as Python 3 wrote them, or as the Latin-1 string that Python 2's become."""
    if not isinstance(data, str | bytes | bytearray):
        raise pickle.UnpicklingError(f"an array holds a {type(data).__name__} instead of bytes")
    budget.spend(len(data), "bytes of arrays")
    return data.encode("latin-1") if isinstance(data, str) else bytes(data)


def _objects(budget: _Budget, data: Any, size: int) -> np.ndarray:
    if not isinstance(data, list) or len(data) != size:
        raise pickle.UnpicklingError("an array of objects does not hold a list of them")
    budget.spend(8 * size, "bytes of arrays")
    flat = np.empty(size, dtype=object)
    flat[:] = _plain(data)
    return flat


def _reconstruct(budget: _Budget, kind: Any, shape: Any, code: Any) -> _Array:
    array = _Array()
    array.budget = budget
    return array


def _from_buffer(budget: _Budget, data: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """Make an array as protocol 5 writes it."""
    array = _Array()
    array.value = _build(budget, shape, kind, data, "F" if order == "F" else "C")
    return array


def _scalar(budget: _Budget, kind: Any, data: Any) -> Any:
    if not isinstance(kind, _Type) or kind.dtype.hasobject:
        raise pickle.UnpicklingError("a scalar has no sound type")
    return np.frombuffer(_raw(budget, data), dtype=kind.dtype)[0].item()


def _encode(budget: _Budget, text: Any, encoding: Any) -> bytes:
    """Make bytes as Python 2's protocols write them; Latin-1 is the only encoding they use."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise pickle.UnpicklingError(f"encoding {reprlib.repr(encoding)} is not admitted")
    return _raw(budget, text)


def _no_bytes(budget: _Budget) -> bytes:
    """Make the bytes of an empty array as old protocols write them: by a call without arguments."""
    return b""


class _ArrayKind:
    """Stand-in for numpy.ndarray as an argument."""

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a type")


class _Call:
    """A function that a pickle may call but not change (it can set attributes of what it holds)."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


# Functions that a pickle may call; each is given the budget first.
_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    # NumPy 1 and NumPy 2 keep these in modules of different names.
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
_CLASSES: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _ArrayKind,
    ("numpy", "dtype"): _Type,
}


# The pure-Python unpickler: the compiled one reserves memory for numbers that a file makes up.
class _Unpickler(pickle._Unpickler):
    stack: list[Any]

    def __init__(self, stream: io.BytesIO, instructions: _Instructions) -> None:
        super().__init__(stream, encoding="latin-1")
        self._budget = instructions.budget
        self.dispatch = instructions  # type: ignore[misc]  # counts, where the class has a table

    def find_class(self, module: str, name: str) -> Any:
        """Answer to the admitted names only."""
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
        if (module, name) in _FUNCTIONS:
            return _Call(partial(_FUNCTIONS[module, name], self._budget))
        raise pickle.UnpicklingError(
            f"it names {reprlib.repr(module)[1:-1]}.{reprlib.repr(name)[1:-1]}, which an array "
            "file has no use for"
        )

    def spend_keys(self, keys: Iterable[Any]) -> None:
        """Refuse keys that take long to hash, or many: equal hashes make them slow to tell apart.

        A tuple is hashed from end to end whenever it is asked for, however often it holds itself.
        """
        keys = list(keys)
        if not all(isinstance(key, str | bytes | int | float) for key in keys):
            raise pickle.UnpicklingError("it has keys that are no texts or numbers")
        self._budget.spend(len(keys), "keys")


class _Instructions(dict[int, Callable[[Any], None]]):
    """The handlers of the instructions of one file; each look-up is a step."""

    def __init__(self, budget: _Budget) -> None:
        super().__init__(_HANDLERS)
        self.budget = budget
        self._steps = MOST_STEPS

    def __getitem__(self, instruction: int) -> Callable[[Any], None]:
        self._steps -= 1
        if self._steps < 0:
            raise pickle.UnpicklingError(f"it has more than {MOST_STEPS} instructions")
        if instruction in _MAKERS:
            self.budget.spend(1, "containers")
        return super().__getitem__(instruction)


def _with_keys(instruction: bytes, keys: Callable[[list[Any]], list[Any]]) -> dict[int, Any]:
    """Return a handler that looks at the keys on the stack before the usual one takes them."""
    usual: Callable[[Any], None] = pickle._Unpickler.dispatch[instruction[0]]

    def handle(unpickler: _Unpickler) -> None:
        unpickler.spend_keys(keys(unpickler.stack))
        usual(unpickler)

    return {instruction[0]: handle}


_HANDLERS: dict[int, Any] = {
    **pickle._Unpickler.dispatch,
    **_with_keys(pickle.SETITEM, lambda stack: stack[-2:-1]),
    **_with_keys(pickle.SETITEMS, lambda stack: stack[::2]),
    **_with_keys(pickle.DICT, lambda stack: stack[::2]),
    **_with_keys(pickle.ADDITEMS, list),
    **_with_keys(pickle.FROZENSET, list),
}
# Instructions that make a container, of one byte each.
_MAKERS = frozenset(
    instruction[0]
    for instruction in (
        *(pickle.MARK, pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.EMPTY_SET),
        *(pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    )
)
_VALUES = (bool, int, float, str, bytes, set, frozenset, type(None))


def _plain(item: Any, known: dict[int, Any] | None = None) -> Any:
    """Replace stand-ins by arrays; anything else that is not plain data is refused.

    What is there twice is looked at once: `known` has the results by the identity of the item, and
    None while it is worked on.
    """
    if isinstance(item, _Array) and item.value is not None:
        return item.value
    if not isinstance(item, list | tuple | dict):
        if isinstance(item, _VALUES):
            return item
        raise pickle.UnpicklingError(
            f"it holds a {type(item).__name__}, which is no array or value"
        )
    parts = list(item.values()) if isinstance(item, dict) else item
    if set(map(type, parts)) <= set(_VALUES):
        return item
    known = {} if known is None else known
    if id(item) not in known:
        known[id(item)] = None
        plain = [_plain(part, known) for part in parts]
        whole = dict(zip(item, plain, strict=True)) if isinstance(item, dict) else type(item)(plain)
        known[id(item)] = whole
    if known[id(item)] is None:
        raise pickle.UnpicklingError("it holds itself")
    return known[id(item)]


def read_pickles(path: PathLike, most: int) -> list[Any]:
    """Read successive pickled arrays and plain values of one file; runs nothing it names.

    Parameters
    ----------
    path : path
    most : int
        A file with more objects is refused.

    Raises
    ------
    FileNotFoundError
    FileFormatError
        If the file is truncated, names anything but arrays, holds too many objects, or asks for
        more time or memory than its size can account for.
    """
    if Path(path).stat().st_size > MOST_BYTES:
        raise FileFormatError(f"{path} has more than {MOST_BYTES} bytes; write it as .npy arrays")
    return unpickle_arrays(Path(path).read_bytes(), os.fspath(path), most)


def unpickle_arrays(content: bytes, name: str, most: int) -> list[Any]:
    """Read pickles as :func:`read_pickles` does, from bytes; messages name the file `name`."""
    stream = io.BytesIO(content)
    objects: list[Any] = []
    instructions = _Instructions(_Budget(len(content)))
    while stream.tell() < len(content):
        if len(objects) == most:
            raise FileFormatError(f"{name} holds more than the {most} objects expected")
        try:
            objects.append(_plain(_Unpickler(stream, instructions).load()))
        except _DAMAGE as error:
            raise FileFormatError(
                f"{name} is damaged or not a file of pickled arrays "
                f"(object {len(objects) + 1}: {error})"
            ) from error
    return objects
