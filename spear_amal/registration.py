"""What all tables of named classes check: mixers, label models and losses are registered alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spear_amal.errors import InputError


def check_registration(known: Mapping[str, type], name: Any, kind: Any, base: type) -> None:
    """Raise InputError unless a class can be registered under a name.

    Registering a class again, or what a notebook cell or a reloaded module has made of it, is fine.

    Parameters
    ----------
    known : mapping of str to type
        Classes that have a name already.
    name : str
    kind : type
        Class to register; must be derived from `base`. Files tell classes by their names, so that
        the class' own name must not be that of another one.
    base : type
    """
    what = base.__name__
    if not isinstance(name, str) or not name:
        raise InputError(f"a {what} is registered under a name, found {name!r}")
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise InputError(f"{name!r} must stand for a class derived from {what}, found {kind!r}")
    for other, taken in known.items():
        same = (taken.__module__, taken.__qualname__) == (kind.__module__, kind.__qualname__)
        if not same and (other == name or taken.__name__ == kind.__name__):
            raise InputError(
                f"{kind.__qualname__} cannot be registered as {name!r}: {other!r} stands for "
                f"{taken.__module__}.{taken.__qualname__}; choose other names"
            )
