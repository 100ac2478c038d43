"""One checker of parameters: tables of what is allowed, and conditions that join several of them.

scikit-learn keeps the machinery of its constraint tables private, in
``sklearn.utils._param_validation``; this module is the only place that imports it. The test
``tests/test_params.py`` says what is relied on.

Options by name: flat ones for the command line and studies, nested ones for scikit-learn.

An estimator has few parameters of its own; those that belong together are objects (``trainer=``,
``rule_model=``). ``trainer__lr`` reaches into one; where a text names an option, as in
``amal:lr=0.1``, its object is found by its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)

from spear_amal.checks import (
    check_choice,
    check_flag,
    check_name,
    check_not_negative,
    check_positive,
    check_share,
    check_whole,
    check_within,
)
from spear_amal.errors import InputError

__all__ = [
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_choice",
    "check_conditions",
    "check_flag",
    "check_name",
    "check_not_negative",
    "check_parameters",
    "check_positive",
    "check_share",
    "check_whole",
    "check_within",
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


class NestedParameters:
    """Mixin of estimators whose option objects default to None: the defaults of their class.

    Attributes
    ----------
    _nested : dict of str to function () -> object
        Of the class: makes the default of each parameter that is an object of options.
    """

    _nested: ClassVar[dict[str, Any]] = {}

    def _options_of(self, name: str) -> Any:
        """Return the object of options of a parameter, the default one where it is None."""
        given = getattr(self, name)
        return self._nested[name]() if given is None else given

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters; deep ones also where an object of options is left to its default."""
        params: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]
        if deep:
            for name, make in self._nested.items():
                if params.get(name) is None:
                    inner = make().get_params(deep=False)
                    params |= {f"{name}__{key}": value for key, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Any:
        """Set parameters, also by ``trainer__lr`` where ``trainer`` is None."""
        for name, make in self._nested.items():
            if not any(key.startswith(f"{name}__") for key in params):
                continue
            holder = params.get(name, getattr(self, name))
            if holder is None:
                params = {name: make()} | {k: v for k, v in params.items() if k != name}
            elif not hasattr(holder, "set_params"):
                raise InputError(f"{name} must be an object of options or None, found {holder!r}")
        return super().set_params(**params)  # type: ignore[misc]


def option_places(cls: type[NestedParameters]) -> dict[str, str]:
    """Return for every option by name the object that holds it, "" for parameters of the class."""
    own = [p for p in inspect.signature(cls).parameters if p != "self"]
    places = {name: "" for name in own}
    for holder, make in cls._nested.items():
        places |= {name: holder for name in make().get_params(deep=False) if name not in places}
    return places


def nest_options(cls: type[NestedParameters], options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn options by name into constructor arguments of a class.

    Parameters
    ----------
    cls : estimator class
    options : mapping
        Parameters of the class, and options of its objects as ``lr=`` or ``trainer__lr=``.

    Raises
    ------
    InputError
        For a name that nobody knows.

    Examples
    --------
    >>> from spear_amal import GoldClassifier
    >>> nest_options(GoldClassifier, {"metric": "f1", "lr": 0.1})
    {'metric': 'f1', 'trainer': TrainerConfig(lr=0.1)}
    """
    places = option_places(cls)
    arguments: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        holder, split, key = name.partition("__")
        if split and holder in cls._nested:
            inner.setdefault(holder, {})[key] = value
        elif name not in places:
            raise InputError(f"{cls.__name__} has no option {name!r}; known: {sorted(places)}")
        elif places[name]:
            inner.setdefault(places[name], {})[name] = value
        else:
            arguments[name] = value
    for holder, values in inner.items():
        base = arguments.get(holder)
        if base is not None and (isinstance(base, type) or not hasattr(base, "get_params")):
            raise InputError(f"{holder} must be an object of options or None, found {base!r}")
        made = cls._nested[holder]() if base is None else type(base)(**base.get_params(deep=False))
        arguments[holder] = made.set_params(**values)
    return arguments
