"""Fingerprints: one hash of a labelling function and all that its votes can depend on.

Two rules. What is the same gives the same hash in every process. What cannot be seen through
(the clock, files, objects of compiled code) is refused, with the reason: nothing is guessed.
"""

from __future__ import annotations

import abc
import builtins
import datetime
import dis
import enum
import functools
import hashlib
import re
import struct
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic

import numpy as np
import pandas as pd

from spear_amal.labeling.cell_values import as_list, holds_nulls
from spear_amal.labeling.data_points import is_column, is_table, names_of
from spear_amal.labeling.installed import is_installed, version_of
from spear_amal.labeling.registrations import accessors
from spear_amal.labeling.rows import Row, is_named_tuple, label_of

# Attributes that are no part of what an object does: names, and what is only remembered.
_PASSING = frozenset(
    "__wrapped__ __doc__ __name__ __qualname__ __module__ __annotations__ __annotate__ "
    "__type_params__ _memo".split()
)
# What Python itself puts into classes.
_OF_CLASSES = re.compile(
    r"__(dict|weakref|doc|module|qualname|annotations|slots|firstlineno|static_attributes|"
    r"abstractmethods|annotate_func|annotations_cache|match_args|hash|orig_bases|parameters|"
    r"dataclass_\w+)__|_abc_impl"
)
# Classes of this package say by ``hash_content()`` what counts, where that is not all attributes.
_OURS = "spear_amal."
_WRAPPER = type(functools.lru_cache(lambda: None))
_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType)
_VALUES = (datetime.date, datetime.time, datetime.timedelta, Decimal, Fraction)
_PLAIN = (type(None), bool, str, bytes, complex, type(Ellipsis), type(NotImplemented), range)


def function_hash(value: Any) -> str:
    """Hash (32 hexadecimal digits) of a value: data, a function, or an LF.

    Raises
    ------
    Unhashable
        If it depends on something that no hash can hold; says on what.

    Examples
    --------
    >>> function_hash(lambda x: x > 3) == function_hash(lambda x: x > 3)
    True
    >>> function_hash(lambda x: x > 3) == function_hash(lambda x: x > 4)
    False
    """
    try:
        return _Walk().digest(value).hex()
    except RecursionError:
        raise Unhashable("it reaches through too many objects, or through itself") from None


def lf_hash(lf: Any) -> str:
    """Hash a labelling function: all that its votes can depend on, or what its version stands for.

    Where something cannot be seen through, an LF with a version is hashed by its name, version,
    class and the code of its function alone.

    Raises
    ------
    Unhashable
        If something cannot be seen through, and the LF has no version.
    """
    stated = getattr(lf, "fingerprint", None)
    if stated is not None:
        kind = type(lf)
        return function_hash([_name(kind), lf.name, lf.version, repr(lf.label), stated])
    try:
        return function_hash(lf)
    except Unhashable:
        version = getattr(lf, "version", None)
        if version is None:
            raise
        code = _code_of(getattr(lf, "_f", lf))
        return function_hash(["stated", lf.name, version, repr(lf.label), lf.vectorized, code])


def _code_of(f: Any) -> types.CodeType | None:
    """Return the compiled code of a function, method, partial or object that can be called."""
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "__func__", f)
    if not hasattr(f, "__code__"):
        f = vars(type(f)).get("__call__")
    return getattr(f, "__code__", None)


class _Walk:
    """One walk over everything a value reaches; what was met before is named by its number."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # ids stay those of living objects

    def digest(self, value: Any) -> bytes:
        if type(value) is int:  # Python refuses to write very long ones in decimal digits
            return _hash("int", hex(value))
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return _hash(type(value).__name__, repr(value))
        if type(value) is float:
            return _hash("float", struct.pack("<d", value))
        if value is pd.NA or value is pd.NaT:
            return _hash("missing", repr(value))
        if id(value) in self._met:
            return _hash("again", str(self._met[id(value)]))
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        return self._of(value)

    def _all(self, kind: str, values: Iterable[Any]) -> bytes:
        return _hash(kind, *map(self.digest, values))

    def _of(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            return self._all(kind.__name__, value)
        if kind is dict or (isinstance(value, dict) and is_installed(kind.__module__)):
            factory = getattr(value, "default_factory", None)
            return _hash(_name(kind), self._all("items", [factory, *_flat(value.items())]))
        if kind in (set, frozenset):
            # Each element by a walk of its own: the order of a set is no order.
            return _hash(kind.__name__, *sorted(_Walk().digest(element) for element in value))
        for kinds, read in self._readers():
            if isinstance(value, kinds):
                return read(value)
        if is_table(value):
            names = names_of(value)
            return self._all(_name(kind), _flat((name, value[name]) for name in names))
        if is_column(value):
            return self._all(_name(kind), [_type_of(value), column_of(value)])
        if is_named_tuple(value) and is_installed(kind.__module__):
            return self._all("named tuple", _flat(value._asdict().items()))
        return self._object(value)

    def _readers(self) -> list[tuple[Any, Callable[[Any], bytes]]]:
        return [
            (enum.Enum, lambda v: self._all("member", [type(v), v.name, v.value])),
            (re.Pattern, lambda v: _hash("pattern", repr(v.pattern), str(v.flags))),
            (types.FunctionType, self._function),
            (types.MethodType, lambda v: self._all("method", [v.__func__, v.__self__])),
            (types.BuiltinFunctionType, self._builtin),
            (_METHODS, lambda v: self._all("method of", [v.__objclass__, v.__name__])),
            (_VALUES, lambda v: _hash(_name(type(v)), repr(v))),
            (types.CodeType, self._code),
            (types.ModuleType, self._module),
            (functools.partial, lambda v: self._all("partial", [v.func, v.args, v.keywords])),
            (_WRAPPER, lambda v: self._all("cached", [v.__wrapped__])),
            (staticmethod | classmethod, lambda v: self._all(_name(type(v)), [v.__func__])),
            (property, lambda v: self._all("property", [v.fget, v.fset, v.fdel])),
            (Row, lambda v: self._all("row", [label_of(v), *_flat(vars(v).items())])),
            (types.SimpleNamespace, lambda v: self._all(_name(type(v)), _flat(vars(v).items()))),
            (type, self._class),
            (np.ma.MaskedArray, lambda v: self._all("masked", [v.data, np.ma.getmaskarray(v)])),
            (np.ndarray, self._array),
            (np.generic, lambda v: _hash(v.dtype.str, v.tobytes())),
            (pd.DataFrame, self._frame),
            (pd.Series, lambda v: self._all("series", [v.name, v.index, *_column(v)])),
            (pd.Index, lambda v: self._all("index", [*v.names, *_column(v)])),
            (pd.api.extensions.ExtensionArray, lambda v: self._all("array", _column(v))),
        ]

    def _array(self, array: np.ndarray) -> bytes:
        if array.dtype.hasobject:
            values = array.ravel().tolist()
            return _hash("objects", repr(array.shape), self._values(values))
        content = np.ascontiguousarray(array).tobytes()
        return _hash(repr(array.dtype), repr(array.shape), content)

    def _frame(self, frame: pd.DataFrame) -> bytes:
        columns = [[name, *_column(values)] for name, values in frame.items()]
        return self._all("frame", [frame.index, *frame.columns.names, *columns])

    def _values(self, values: list[Any]) -> bytes:
        if set(map(type, values)) <= {str, type(None)}:
            # A text that is missing counts as one of length -1.
            lengths = [-1 if value is None else len(value) for value in values]
            texts = "".join(value for value in values if value is not None)
            return _hash("texts", np.array(lengths, dtype=np.int64).tobytes(), texts)
        # Whether two cells are one object is chance, so each is walked alone.
        return _hash("cells", *(_Walk().digest(value) for value in values))

    def _function(self, function: types.FunctionType) -> bytes:
        cells = [_content(cell) for cell in function.__closure__ or ()]
        code = [function.__code__, function.__defaults__, function.__kwdefaults__]
        content = self._all("parts", [*code, _state(function), *cells])
        parts = [_hash("function", function.__qualname__), content]
        if is_installed(function.__module__):
            return _hash(*parts, version_of(function.__module__ or ""))
        for name, value in reads_of(function):
            parts += [_hash("reads", name), self.digest(value)]
        return _hash(*parts)

    def _code(self, code: types.CodeType) -> bytes:
        shape = (code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        table = getattr(code, "co_exceptiontable", b"")
        return _hash(
            "code", code.co_code, table, repr(shape), repr(names), *map(_constant, code.co_consts)
        )

    def _builtin(self, function: types.BuiltinFunctionType) -> bytes:
        owner = function.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            module = function.__module__ or "builtins"
            if vars(sys.modules[module]).get(function.__name__) is function:
                return _hash("builtin", module, str(function.__qualname__), version_of(module))
            raise Unhashable(f"{function!r} is compiled code that no module names")
        return _hash("bound", function.__name__, self.digest(owner))

    def _module(self, module: types.ModuleType) -> bytes:
        if not is_installed(module):
            raise Unhashable(f"module {module.__name__!r} is used as a whole")
        return _hash("module", module.__name__, version_of(module.__name__))

    def _class(self, kind: type) -> bytes:
        if is_installed(kind.__module__):
            return _hash("class", _name(kind), version_of(kind.__module__))
        if issubclass(kind, enum.Enum):
            members: list[Any] = [(member.name, member.value) for member in kind]
            methods = [f for f in vars(kind).values() if isinstance(f, types.FunctionType)]
            written = [f for f in methods if not is_installed(f.__module__)]
            return self._all("enum", [kind.__qualname__, *members, *written])
        parts = [_hash("class", kind.__qualname__), self._all("of", [type(kind), *kind.__bases__])]
        for name, value in vars(kind).items():
            if not _OF_CLASSES.fullmatch(name):
                parts += [_hash(name), self.digest(value)]
        return _hash(*parts)

    def _object(self, value: Any) -> bytes:
        kind = type(value)
        if kind.__module__.startswith(_OURS) and hasattr(kind, "hash_content"):
            return _hash("content", self.digest(kind), self.digest(value.hash_content()))
        if not is_readable(kind):
            raise Unhashable(f"the state of an object of {_name(kind)} cannot be seen")
        return _hash("object", self.digest(kind), self._all("state", _state(value)))


def column_of(values: Any) -> Any:
    """Values of a column as an array: numbers as they are, all else as Python objects.

    None, NaN and NA stay what they are, since a function of the whole column tells them apart.
    """
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, pd.Series | pd.Index) and values.dtype.kind in "iufbMm":
        if isinstance(values.dtype, np.dtype):
            return values.to_numpy()
    if is_column(values) and not holds_nulls(values):
        if np.asarray(values[:0]).dtype.kind in "iufbMm":
            return np.asarray(values)
    methods = [name for name in ("to_pylist", "tolist", "to_list") if hasattr(values, name)]
    listed = getattr(values, methods[0])() if methods else list(values)
    objects = np.empty(len(listed), dtype=object)
    objects[:] = listed
    return objects


def _column(values: Any) -> list[Any]:
    """Type and values of a column of pandas."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return [dtype.categories, dtype.ordered, column_of(values)]
    return [str(dtype), column_of(values)]


def _type_of(column: Any) -> list[Any]:
    """Type of a column of Arrow or Polars; of an Enum of Polars its text may be cut short."""
    kind = column.type if hasattr(column, "type") else column.dtype
    categories = getattr(kind, "categories", None)
    return [str(kind), None if categories is None else as_list(categories)]


def is_readable(kind: type) -> bool:
    """Return whether all state of a class' objects is in their ``__dict__``, and its code is known.

    So it is for classes that a user wrote in Python, and for those of this package.
    """
    bases = [base for base in kind.__mro__ if base not in (object, abc.ABC, Generic)]
    known = all(
        not is_installed(base.__module__) or base.__module__.startswith(_OURS) for base in bases
    )
    return known and not any(getattr(base, "__slots__", ()) for base in bases)


def _state(value: Any) -> list[Any]:
    """Names and values of an object's attributes, one after the other."""
    state = getattr(value, "__dict__", {})
    return _flat((name, state[name]) for name in sorted(state) if name not in _PASSING)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _constant(value: Any) -> bytes:
    """Hash a constant of compiled code; by type, since 1 == 1.0 == True."""
    if isinstance(value, types.CodeType):
        return _Walk().digest(value)
    if isinstance(value, frozenset):
        return _hash("frozenset", *sorted(map(_constant, value)))
    if isinstance(value, tuple):
        return _hash("tuple", *map(_constant, value))
    return _hash(type(value).__name__, repr(value))


def _flat(items: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [part for item in items for part in item]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _hash(*parts: str | bytes) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(struct.pack("<Q", len(content)))
        hasher.update(content)
    return hasher.digest()


# Where answers may depend on more than the code and the row: files, the clock, chance, the world.
_OUTSIDE_MODULES = frozenset(
    "asyncio ctypes ftplib glob http importlib io multiprocessing numpy.random os "
    "pathlib random requests secrets shelve shutil socket sqlite3 ssl subprocess sys tempfile "
    "threading time urllib uuid".split()
)
_OUTSIDE_BUILTINS = frozenset(
    "__import__ compile delattr eval exec globals id input locals open setattr vars".split()
)
_OUTSIDE_ATTRIBUTES = frozenset(
    "default_rng now open random read_bytes read_text today urlopen utcnow".split()
)
_GLOBAL = frozenset(["LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"])
_CHANGES = frozenset(["STORE_GLOBAL", "DELETE_GLOBAL"])
_ATTRIBUTE = frozenset(["LOAD_ATTR", "LOAD_METHOD"])


class Unhashable(Exception):
    """Something that votes may depend on, and that no fingerprint can hold."""


def reads_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values of the globals that a function's code reads, nested functions included.

    Of a module that the user wrote, the attribute that is read; of others, the module. An accessor
    that the user registered in pandas or Polars counts where an attribute of its name is read.

    Raises
    ------
    Unhashable
        If the code reads files, the clock or random numbers, changes a global or a variable of an
        outer function, or runs code that it makes.
    """
    name = function.__qualname__
    registered = list(accessors())
    for code in _codes(function.__code__):
        steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
        for i, step in enumerate(steps):
            follower = steps[i + 1] if i + 1 < len(steps) else None
            if step.opname in _CHANGES:
                raise Unhashable(f"{name} changes the global {step.argval!r}")
            if step.opname == "STORE_DEREF" and step.argval in function.__code__.co_freevars:
                raise Unhashable(f"{name} changes {step.argval!r} of the function around it")
            if step.opname == "IMPORT_NAME":
                _check_module(step.argval, name)
                if not is_installed(step.argval):
                    raise Unhashable(f"{name} imports {step.argval!r} while it runs")
            if step.opname in _ATTRIBUTE and step.argval in _OUTSIDE_ATTRIBUTES:
                raise Unhashable(f"{name} uses .{step.argval}: files, the clock or chance")
            if step.opname in _ATTRIBUTE:
                yield from ((f".{a.name}", a.made_of) for a in registered if a.name == step.argval)
            if step.opname in _GLOBAL:
                yield from _global(function, step.argval, follower)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _global(function: types.FunctionType, name: str, follower: Any) -> Iterator[tuple[str, Any]]:
    where = function.__qualname__
    if name not in function.__globals__:
        if name in _OUTSIDE_BUILTINS:
            raise Unhashable(f"{where} calls {name}()")
        yield name, "built in" if hasattr(builtins, name) else "not defined"
        return
    value = function.__globals__[name]
    module = value.__name__ if isinstance(value, types.ModuleType) else None
    if module is None:
        _check_module(getattr(value, "__module__", None) or "", where)
    else:
        _check_module(module, where)
        if not is_installed(value):
            if follower is None or follower.opname not in _ATTRIBUTE:
                raise Unhashable(f"{where} hands on the module {module!r} as a whole")
            yield f"{name}.{follower.argval}", getattr(value, follower.argval, "not defined")
            return
    yield name, value


def _check_module(module: str, where: str) -> None:
    parts = module.split(".")
    if any(".".join(parts[:i]) in _OUTSIDE_MODULES for i in range(1, len(parts) + 1)):
        raise Unhashable(f"{where} uses {module!r}: files, the clock, chance or the network")
