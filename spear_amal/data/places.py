"""The two folders in which corpora are looked for: the user's data directory and the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spear_amal.errors import InputError

DATA_VARIABLE = "SPEAR_AMAL_DATA"
CACHE_VARIABLE = "SPEAR_AMAL_CACHE"


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the data directory: the argument, else the environment variable, else None.

    Raises
    ------
    InputError
        If the folder that was named is not there.
    """
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        origin = "data_dir" if data_dir is not None else f"environment variable {DATA_VARIABLE}"
        raise InputError(f"{origin} names {folder}, which is not a folder; correct it or leave it")
    return folder


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache: the argument, else the environment variable, else the platform's place."""
    named = cache_dir if cache_dir is not None else os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else _platform_cache() / "spear_amal"


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
