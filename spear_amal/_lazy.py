"""Names that a package loads when they are first used, so that importing it costs little."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence


def lazy_names(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return the function that a package has as its ``__getattr__``.

    Parameters
    ----------
    package : str
    names : mapping of str to sequence of str
        By module, relative to the package, the names that it defines. A block under
        ``TYPE_CHECKING`` imports the same names for editors and type checkers, which must not see
        the ``__getattr__``: they would take a misspelt name for one that is there.
    """
    home = {name: module for module, defined in names.items() for name in defined}

    def load(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{home[name]}"), name)

    return load
