"""Checks of parameters that several label models share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError
from spear_amal.params import check_not_negative

BALANCED = "balanced"


def check_iterations(max_iter: int, tol: float, least: int = 1) -> None:
    """Raise InputError unless ``max_iter >= least`` and ``tol >= 0``."""
    if max_iter < least:
        raise InputError(f"max_iter must be at least {least}, found {max_iter}")
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
    """Shares in the order of the classes; names are compared as text, which files hold."""
    by_text = {str(name): share for name, share in shares.items()}
    names = [str(name) for name in classes]
    if set(by_text) != set(names) or len(by_text) < len(shares):
        raise InputError(
            f"class_balance must give a share for each of {_listed(classes)}, by these names, "
            f"found {dict(shares)!r}"
        )
    return [by_text[name] for name in names]


def _listed(classes: Sequence[Any]) -> str:
    return f"the {len(classes)} classes {list(classes)}"
