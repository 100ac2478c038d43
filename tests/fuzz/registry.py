"""The doors: functions that draw an input, send it in, and check what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Door:
    """A way into the package.

    Attributes
    ----------
    enter : callable of draw and an empty folder
    names : tuple of str
        Public names that it goes through, as ``package.name``.
    raises : tuple of exception types
        What it may raise beside the project's own errors, as it documents.
    """

    enter: Callable[[Draw, Path], None]
    names: tuple[str, ...]
    raises: tuple[type[BaseException], ...] = ()


DOORS: dict[str, Door] = {}


def door(*names: str, raises: tuple[type[BaseException], ...] = ()) -> Callable[..., Any]:
    """Register a function as a door through the public names."""

    def register(enter: Callable[[Draw, Path], None]) -> Callable[[Draw, Path], None]:
        DOORS[enter.__name__] = Door(enter, names, raises)
        return enter

    return register
