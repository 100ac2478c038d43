"""Checks of parameters that several label models share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError
from spear_amal.params import check_not_negative, check_whole
from spear_amal.votes.class_set import ClassSet

BALANCED = "balanced"


def check_iterations(max_iter: int, tol: float, least: int = 1) -> None:
    """Raise InputError unless ``max_iter >= least`` and ``tol >= 0``."""
    check_whole("max_iter", max_iter, least)
    check_not_negative("tol", tol)


def resolve_class_balance(
    class_balance: ClassBalanceLike | None, classes: Sequence[Any]
) -> np.ndarray | None:
    """Return given class shares (C,) as an array, None if none are given.

    Parameters
    ----------
    class_balance : "balanced", mapping of class name to share, or array of shape (C,), optional
    classes : sequence of length C
        The names of the classes.

    Raises
    ------
    InputError
        Unless there is one number above 0 for each class, and they sum to 1.

    Examples
    --------
    >>> resolve_class_balance({"spam": 0.25, "ham": 0.75}, ["ham", "spam"]).tolist()
    [0.75, 0.25]
    >>> resolve_class_balance("balanced", ["ham", "spam"]).tolist()
    [0.5, 0.5]
    """
    if class_balance is None:
        return None
    if isinstance(class_balance, str):
        if class_balance != BALANCED:
            raise InputError(
                f"class_balance must be 'balanced', shares by class name, or {len(classes)} "
                f"shares, found {class_balance!r}"
            )
        return np.full(len(classes), 1 / len(classes))
    named = isinstance(class_balance, Mapping)
    shares = _by_name(class_balance, classes) if named else class_balance  # type: ignore[arg-type]
    try:
        balance = np.asarray(shares, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"class_balance must be numbers, found {class_balance!r}") from None
    if balance.shape != (len(classes),):
        raise InputError(
            f"class_balance must have {len(classes)} shares, one for each of {_listed(classes)}, "
            f"found {class_balance!r}"
        )
    if not (balance > 0).all() or not np.isclose(balance.sum(), 1):
        told = {str(name): float(share) for name, share in zip(classes, balance, strict=True)}
        raise InputError(f"class_balance must be above 0 and sum to 1, found {told}")
    return balance


def _by_name(shares: Mapping[Any, Any], classes: Sequence[Any]) -> list[Any]:
    """Shares in the order of the classes, whatever names a class: text, number, Enum member."""
    known, by_text = ClassSet(classes), {str(name): code for code, name in enumerate(classes)}
    try:
        codes = [by_text[str(key)] if str(key) in by_text else known.code(key) for key in shares]
    except InputError:
        codes = []
    if sorted(codes) != list(range(len(classes))):
        raise InputError(
            f"class_balance must give one share for each of {_listed(classes)}, by these names, "
            f"found {dict(shares)!r}"
        )
    by_code = dict(zip(codes, shares.values(), strict=True))
    return [by_code[code] for code in range(len(classes))]


def _listed(classes: Sequence[Any]) -> str:
    return f"the {len(classes)} classes {list(classes)}"
