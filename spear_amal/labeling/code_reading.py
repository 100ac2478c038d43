"""What a user's function reads beyond its arguments, found in its compiled code."""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterator
from typing import Any

from spear_amal.labeling.installed import is_installed

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


class Unseen(Exception):
    """Something that votes may depend on, and that no fingerprint can hold."""


def reads_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values of the globals that a function's code reads, nested functions included.

    Of a module that the user wrote, the attribute that is read; of others, the module.

    Raises
    ------
    Unseen
        If the code reads files, the clock or random numbers, changes a global or a variable of an
        outer function, or runs code that it makes.
    """
    name = function.__qualname__
    for code in _codes(function.__code__):
        instructions = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
        for i, one in enumerate(instructions):
            follower = instructions[i + 1] if i + 1 < len(instructions) else None
            if one.opname in _CHANGES:
                raise Unseen(f"{name} changes the global {one.argval!r}")
            if one.opname == "STORE_DEREF" and one.argval in function.__code__.co_freevars:
                raise Unseen(f"{name} changes {one.argval!r} of the function around it")
            if one.opname == "IMPORT_NAME":
                _check_module(one.argval, name)
                if not is_installed(one.argval):
                    raise Unseen(f"{name} imports {one.argval!r} while it runs")
            if one.opname in _ATTRIBUTE and one.argval in _OUTSIDE_ATTRIBUTES:
                raise Unseen(f"{name} uses .{one.argval}: files, the clock or chance")
            if one.opname in _GLOBAL:
                yield from _global(function, one.argval, follower)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _global(function: types.FunctionType, name: str, follower: Any) -> Iterator[tuple[str, Any]]:
    where = function.__qualname__
    if name not in function.__globals__:
        if name in _OUTSIDE_BUILTINS:
            raise Unseen(f"{where} calls {name}()")
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
                raise Unseen(f"{where} hands on the module {module!r} as a whole")
            yield f"{name}.{follower.argval}", getattr(value, follower.argval, "not defined")
            return
    yield name, value


def _check_module(module: str, where: str) -> None:
    parts = module.split(".")
    if any(".".join(parts[:i]) in _OUTSIDE_MODULES for i in range(1, len(parts) + 1)):
        raise Unseen(f"{where} uses {module!r}: files, the clock, chance or the network")
