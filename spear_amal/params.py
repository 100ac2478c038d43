"""One checker of parameters: tables of what is allowed, and conditions that join several of them.

scikit-learn keeps the machinery of its constraint tables private, in
``sklearn.utils._param_validation``; this module is the only place that imports it. The test
``tests/test_params.py`` says what is relied on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)

from spear_amal.errors import InputError

__all__ = [
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_conditions",
    "check_not_negative",
    "check_parameters",
    "check_positive",
    "check_share",
    "check_whole",
]

Constraints = Mapping[str, list[Any]]


def check_parameters(owner: Any, constraints: Constraints | None = None) -> None:
    """Raise an error for a parameter whose value its constraint does not allow.

    Parameters
    ----------
    owner : object with ``get_params``
        Its class is named in the error.
    constraints : mapping of str to list, optional
        What each parameter may be, as scikit-learn writes it; default: the owner's
        ``_parameter_constraints``. Parameters without an entry are not looked at.

    Raises
    ------
    InvalidParameterError
        A ValueError that names class, parameter, allowed values and the value found.
    """
    table = owner._parameter_constraints if constraints is None else constraints
    given = {name: value for name, value in owner.get_params(deep=False).items() if name in table}
    validate_parameter_constraints(dict(table), given, caller_name=type(owner).__name__)


def check_conditions(*conditions: tuple[bool, Callable[[], str]]) -> None:
    """Raise InputError with the message of the first condition that does not hold.

    Messages are functions, so that nothing is formatted where all is well.

    Examples
    --------
    >>> check_conditions((1 < 2, lambda: "never made"), (2 < 1, lambda: "two is above one"))
    Traceback (most recent call last):
    spear_amal.errors.InputError: two is above one
    """
    for holds, message in conditions:
        if not holds:
            raise InputError(message())


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


def _finite(value: Any) -> float:
    """Return a finite number as a float, and anything else as NaN, which no comparison holds of."""
    number = float(value) if isinstance(value, Real) else math.nan
    return number if math.isfinite(number) else math.nan
