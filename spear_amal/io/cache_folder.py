"""Where the package keeps what it can get again: data, vectors of texts, answers of models."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from spear_amal._typing import PathLike

CACHE_VARIABLE = "SPEAR_AMAL_CACHE"


def cache_folder(cache_dir: PathLike | None = None) -> Path:
    """Return the cache: the argument, else the environment variable, else the platform's place."""
    named = cache_dir if cache_dir is not None else os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_cache_path("spear_amal", appauthor=False)
