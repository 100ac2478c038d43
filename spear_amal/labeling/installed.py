"""Which code came with Python or was installed, and in what version; the rest is the user's own."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import sys
import sysconfig
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]
_FOLDERS = ("site-packages", "dist-packages")


def is_installed(module: ModuleType | str | None) -> bool:
    """Return whether a module came with Python or was installed; this package counts as such.

    Examples
    --------
    >>> is_installed("json"), is_installed("spear_amal.errors"), is_installed("__main__")
    (True, True, False)
    """
    name = module if isinstance(module, str) else getattr(module, "__name__", "")
    if name == "__main__" or not name:
        return False
    if name.partition(".")[0] == _PACKAGE:
        return True
    loaded = sys.modules.get(name) if isinstance(module, str) else module
    if loaded is None:
        return False
    return is_installed_file(vars(loaded).get("__file__"))


@functools.lru_cache(maxsize=8192)
def is_installed_file(file: str | None) -> bool:
    """Return whether a file of code, None for none, is of Python or of an installed package."""
    if file is None:  # built into the interpreter, or a namespace package, which holds no code
        return True
    path = os.path.realpath(file)
    if any(f"{os.sep}{folder}{os.sep}" in path for folder in _FOLDERS):
        return True
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return any(path.startswith(os.path.realpath(folder) + os.sep) for folder in standard)


@functools.cache
def version_of(module: str) -> str:
    """Version of the package that an installed module belongs to; Python's own for its library."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python {platform.python_version()}"
    loaded = sys.modules.get(top)
    version = getattr(loaded, "__version__", None)
    if isinstance(version, str):
        return f"{top} {version}"
    try:
        return f"{top} {importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{top} at {vars(loaded).get('__file__') if loaded else None}"
