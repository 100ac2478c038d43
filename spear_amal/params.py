"""One checker of parameters: tables of what is allowed, and conditions that join several of them.

scikit-learn keeps the machinery of its constraint tables private, in
``sklearn.utils._param_validation``; this module is the only place that imports it. The test
``tests/test_params.py`` says what is relied on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    "check_parameters",
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
