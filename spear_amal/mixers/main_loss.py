"""Which loss is the main one, that the others are there to help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.errors import InputError
from spear_amal.mixers.by_name import LABEL, role


def check_main(main: Any) -> None:
    """Raise InputError unless the option `main` is None or a name."""
    if main is not None and (not isinstance(main, str) or not main):
        raise InputError(f"main must be the name of a loss or None, found {main!r}")


def main_loss(main: str | None, names: Sequence[str]) -> int:
    """Place of the main loss among `names`.

    Parameters
    ----------
    main : str or None
        Its name; None takes the first in the role "label" (see :mod:`spear_amal.mixers.by_name`),
        else the first.
    names : sequence of str, length K at least 1

    Raises
    ------
    InputError
        If no loss has the name.

    Examples
    --------
    >>> main_loss(None, ["entropy", "gold"]), main_loss("b", ["a", "b"])
    (1, 1)
    >>> main_loss(None, ["a", "b"])
    0
    """
    names = list(names)
    if main is None:
        return next((k for k, name in enumerate(names) if role(name) == LABEL), 0)
    if main not in names:
        raise InputError(f"main names a loss that is not trained: {main!r}; have {names}")
    return names.index(main)
