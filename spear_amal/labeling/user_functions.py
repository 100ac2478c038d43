"""Callables of users: their names, and which kinds of them cannot work."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed


def name_of(f: Any) -> str:
    """Return a name for a callable: its own, that of what a partial calls, or that of its class.

    Examples
    --------
    >>> name_of(len), name_of(functools.partial(max, 3))
    ('len', 'max')
    """
    if isinstance(f, functools.partial):
        return name_of(f.func)
    for attribute in ("__name__", "name"):
        if isinstance(name := getattr(f, attribute, None), str) and name:
            return name
    return type(f).__name__


def checked(f: Any, what: str, may_generate: bool = False) -> Callable[..., Any]:
    """Return `f` if it can be called on rows.

    Parameters
    ----------
    f : callable
    what : str
        What it is for, as the message begins.
    may_generate : bool, default=False
        Allow a generator function.

    Raises
    ------
    InputError
        If it cannot be called, is asynchronous, or is a generator function.
    """
    if not callable(f):
        raise InputError(f"{what} needs a function, found {f!r}")
    code = f.func if isinstance(f, functools.partial) else f
    if not (inspect.isroutine(code) or isinstance(code, functools.partial)):
        code = type(code).__call__  # an object that can be called
    if inspect.iscoroutinefunction(code) or inspect.isasyncgenfunction(code):
        raise InputError(f"{what} must not be async: nothing awaits what {name_of(f)!r} gives")
    if inspect.isgeneratorfunction(code) and not may_generate:
        raise InputError(f"{what} must return its answer: {name_of(f)!r} yields")
    return f


def checked_name(name: Any, what: str) -> str:
    """Return a name; InputError unless it is a text that is not empty. `what` has it."""
    if not isinstance(name, str) or not name:
        raise InputError(f"the name of {what} must be a non-empty string, found {name!r}")
    return name


def checked_version(version: Any, what: str) -> str | int | None:
    """Return a version; InputError unless it is a text, a whole number or None."""
    if version is None or (isinstance(version, str) and version):
        return version
    if isinstance(version, int) and not isinstance(version, bool):
        return version
    raise InputError(f"version of {what} must be a text or a whole number, found {version!r}")


def as_resources(resources: Any, what: str) -> dict[str, Any]:
    """Return keyword arguments of a user's function; InputError unless they are a mapping."""
    if resources is None:
        return {}
    if not isinstance(resources, Mapping) or not all(isinstance(key, str) for key in resources):
        raise InputError(
            f"resources of {what} must be a mapping of names of arguments, found {resources!r}"
        )
    return dict(resources)


def as_chain(pre: Any, what: str) -> tuple[Any, ...]:
    """Return preprocessors as a tuple; InputError if one cannot be called."""
    if pre is None or callable(pre):
        return () if pre is None else (pre,)
    steps = tuple(pre) if is_listed(pre) else (pre,)
    if wrong := [step for step in steps if not callable(step)]:
        raise InputError(f"pre of {what} must be a list of preprocessors, found {wrong[0]!r}")
    return steps


def take_identity(wrapper: Any, f: Any) -> None:
    """Write the name, docstring and attributes of `f` onto its wrapper, as decorators do.

    An attribute of `f` never hides one of the wrapper's class.
    """
    functools.update_wrapper(wrapper, f, updated=())
    for name, value in getattr(f, "__dict__", {}).items():
        if inspect.isroutine(f) and not hasattr(type(wrapper), name):
            setattr(wrapper, name, value)


def source_of(f: Any, longest: int = 40) -> str:
    """Return the source of a callable, cut after some lines; empty where there is none to read.

    Examples
    --------
    >>> source_of(name_of).splitlines()[0]
    'def name_of(f: Any) -> str:'
    >>> source_of(len)
    ''
    """
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "_f", f)  # a wrapper, ours or another package's
    if not inspect.isroutine(f):
        f = getattr(type(f), "__call__", f)  # noqa: B004  # the method itself is wanted
    try:
        lines = inspect.getsource(f).splitlines()
    except (OSError, TypeError):
        return ""
    rest = [f"... ({len(lines) - longest} more lines)"] if len(lines) > longest else []
    return textwrap.dedent("\n".join([*lines[:longest], *rest]))
