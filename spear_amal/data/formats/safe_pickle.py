"""Read old pickles of NumPy arrays without running anything that they name.

A pickle is a program: it says which functions to call. This reader answers to the handful of
names that a pickled array needs, and gives stand-ins of its own for them; arrays are built here
from checked shapes, types and bytes, so that not even NumPy's own reconstruction sees the file.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
import struct
from collections.abc import Callable
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


class _Type:
    """Stand-in for a dtype: plain numbers, strings and objects only."""

    def __init__(self, name: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(name, str) or not _PLAIN_TYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"array type {name!r} is not a plain one")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"byte order {order!r} is unknown")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stand-in for an array: becomes one when its shape, type and bytes have been checked."""

    value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.value = _build(shape, kind, data, "F" if fortran else "C")


def _build(shape: Any, kind: Any, data: Any, order: Literal["C", "F"]) -> np.ndarray:
    if not isinstance(kind, _Type) or not all(type(d) is int and d >= 0 for d in shape):
        raise pickle.UnpicklingError("an array has no sound shape or type")
    size = math.prod(shape)
    if kind.dtype.hasobject:
        flat = _objects(data, size)
    else:
        flat = np.frombuffer(_raw(data), dtype=kind.dtype).copy()
    if flat.size != size:
        raise pickle.UnpicklingError(f"an array of shape {shape} holds {flat.size} values")
    return flat.reshape(shape, order=order)


def _raw(data: Any) -> bytes:
    """Bytes as Python 3 wrote them, or as the Latin-1 string that Python 2's become."""
    if isinstance(data, str):
        return data.encode("latin-1")
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    raise pickle.UnpicklingError(f"an array holds a {type(data).__name__} instead of bytes")


def _objects(data: Any, size: int) -> np.ndarray:
    if not isinstance(data, list) or len(data) != size:
        raise pickle.UnpicklingError("an array of objects does not hold a list of them")
    flat = np.empty(size, dtype=object)
    flat[:] = [_plain(item) for item in data]
    return flat


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """Make an array as protocol 5 writes it."""
    array = _Array()
    array.value = _build(shape, kind, data, "F" if order == "F" else "C")
    return array


def _scalar(kind: Any, data: Any) -> Any:
    if not isinstance(kind, _Type) or kind.dtype.hasobject:
        raise pickle.UnpicklingError("a scalar has no sound type")
    return np.frombuffer(_raw(data), dtype=kind.dtype)[0].item()


def _encode(text: Any, encoding: Any) -> bytes:
    """Make bytes as Python 2's protocols write them; Latin-1 is the only encoding they use."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not admitted")
    return bytes(text.encode("latin-1"))


def _no_bytes() -> bytes:
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


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ArrayKind,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Call(_encode),
    ("__builtin__", "bytes"): _Call(_no_bytes),
    # NumPy 1 and NumPy 2 keep these in modules of different names.
    **{
        (f"numpy.{core}.{module}", name): _Call(stand_in)
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


# The pure-Python unpickler: the compiled one reserves memory for numbers that a file makes up.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Answer to the admitted names only."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which an array file has no use for"
            ) from None


def _plain(item: Any) -> Any:
    """Replace stand-ins by arrays; anything else that is not plain data is refused."""
    if isinstance(item, _Array) and item.value is not None:
        return item.value
    if isinstance(item, list | tuple):
        return type(item)(_plain(part) for part in item)
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if item is None or isinstance(item, bool | int | float | str | bytes | set | frozenset):
        return item
    raise pickle.UnpicklingError(f"it holds a {type(item).__name__}, which is no array or value")


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
        If the file is truncated, names anything but arrays, or holds too many objects.
    """
    return unpickle_arrays(Path(path).read_bytes(), os.fspath(path), most)


def unpickle_arrays(content: bytes, name: str, most: int) -> list[Any]:
    """Read pickles as :func:`read_pickles` does, from bytes; messages name the file `name`."""
    stream = io.BytesIO(content)
    objects: list[Any] = []
    while stream.tell() < len(content):
        if len(objects) == most:
            raise FileFormatError(f"{name} holds more than the {most} objects expected")
        try:
            objects.append(_plain(_Unpickler(stream, encoding="latin-1").load()))
        except _DAMAGE as error:
            raise FileFormatError(
                f"{name} is damaged or not a file of pickled arrays "
                f"(object {len(objects) + 1}: {error})"
            ) from error
    return objects
