"""Checks of single values: each says which name, what was needed and what was found.

For code that loads neither NumPy nor scikit-learn; :mod:`spear_amal.params` has checks of tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from spear_amal.errors import InputError

__all__ = [
    "check_choice",
    "check_flag",
    "check_metric",
    "check_name",
    "check_not_negative",
    "check_positive",
    "check_share",
    "check_whole",
    "check_within",
]


def check_name(what: str, name: Any, known: Iterable[str]) -> None:
    """Raise InputError unless a name is one of those known; the message offers the nearest.

    Examples
    --------
    >>> check_name("metric", "acuracy", ["accuracy", "f1"])
    Traceback (most recent call last):
    spear_amal.errors.InputError: unknown metric 'acuracy'; did you mean 'accuracy'? choose from \
accuracy, f1
    """
    known = list(known)
    if isinstance(name, str) and name in known:
        return
    near = get_close_matches(name, known, n=2) if isinstance(name, str) else []
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise InputError(f"unknown {what} {name!r}; {hint}choose from {', '.join(known)}")


def check_metric(metric: str, n_classes: int) -> None:
    """Raise InputError if a metric is that of two classes, and there are more.

    Examples
    --------
    >>> check_metric("f1", 2)
    >>> check_metric("f1", 3)
    Traceback (most recent call last):
    spear_amal.errors.InputError: the metric f1 is that of one class of two, and there are 3 \
classes; take macro-f1, the mean F1 of all classes
    """
    if metric == "f1" and n_classes > 2:
        raise InputError(
            f"the metric f1 is that of one class of two, and there are {n_classes} classes; take "
            "macro-f1, the mean F1 of all classes"
        )


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise InputError unless a parameter is one of the texts that it may be.

    Examples
    --------
    >>> check_choice("outer", "feature", ("feature", "teacher"))
    >>> check_choice("outer", ["feature"], ("feature", "teacher"))
    Traceback (most recent call last):
    spear_amal.errors.InputError: outer must be one of 'feature', 'teacher', found ['feature']
    """
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}, found {value!r}")


def check_flag(name: str, value: Any) -> None:
    """Raise InputError unless a parameter is True or False, or the 1 or 0 that stand for them."""
    # NumPy's own truth values are no Integral; NumPy is not imported for their sake.
    truth = isinstance(value, Integral) or type(value).__name__ in ("bool", "bool_")
    if not truth or value not in (0, 1):
        raise InputError(f"{name} must be True or False, found {value!r}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise InputError unless a parameter is a whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, found {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Raise InputError unless a parameter is a finite number above 0."""
    if not 0 < _finite(value):
        raise InputError(f"{name} must be above 0, found {value!r}")


def check_not_negative(name: str, value: Any) -> None:
    """Raise InputError unless a parameter is a finite number of at least 0."""
    if not 0 <= _finite(value):
        raise InputError(f"{name} must be at least 0, found {value!r}")


def check_share(name: str, value: Any) -> None:
    """Raise InputError unless a parameter is a number strictly between 0 and 1."""
    if not 0 < _finite(value) < 1:
        raise InputError(f"{name} must lie strictly between 0 and 1, found {value!r}")


def check_within(name: str, value: Any, low: float, high: float, *, closed: str = "both") -> None:
    """Raise InputError unless a parameter is a number between two bounds.

    `closed` says which bounds belong to the interval: "both", "left" or "right".

    Examples
    --------
    >>> check_within("decay", 0, 0, 1, closed="left")
    >>> check_within("decay", 1, 0, 1, closed="left")
    Traceback (most recent call last):
    spear_amal.errors.InputError: decay must lie in [0, 1), found 1
    """
    number = _finite(value)
    left, right = closed in ("both", "left"), closed in ("both", "right")
    above = low <= number if left else low < number
    below = number <= high if right else number < high
    if not (above and below):
        interval = f"{'[' if left else '('}{low}, {high}{']' if right else ')'}"
        raise InputError(f"{name} must lie in {interval}, found {value!r}")


def _finite(value: Any) -> float:
    """Return a finite number as a float, and anything else as NaN, which no comparison holds of."""
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # a whole number beyond all floats
        return math.nan
    return number if math.isfinite(number) else math.nan
