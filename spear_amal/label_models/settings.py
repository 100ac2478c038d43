"""Checks of settings that several label models share."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError


def check_iterations(max_iter: int, tol: float, least: int = 1) -> None:
    """Raise InputError unless ``max_iter >= least`` and ``tol >= 0``."""
    if max_iter < least:
        raise InputError(f"max_iter must be at least {least}, found {max_iter}")
    check_not_negative("tol", tol)


def check_not_negative(name: str, value: float) -> None:
    """Raise InputError for numbers below 0 and NaN."""
    if not value >= 0:
        raise InputError(f"{name} must be at least 0, found {value}")


def check_positive(name: str, value: float) -> None:
    """Raise InputError unless the number is above 0."""
    if not value > 0:
        raise InputError(f"{name} must be above 0, found {value}")


def check_share(name: str, value: float) -> None:
    """Raise InputError unless the number lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise InputError(f"{name} must lie strictly between 0 and 1, found {value}")


def check_class_balance(class_balance: VectorLike, n_classes: int) -> np.ndarray:
    """Take given class shares (C,).

    Raises
    ------
    InputError
        Unless there are `n_classes` numbers above 0 that sum to 1.
    """
    balance = np.asarray(class_balance, dtype=float)
    if balance.shape != (n_classes,):
        raise InputError(f"class_balance must have {n_classes} entries, found {balance.shape}")
    if not (balance > 0).all() or not np.isclose(balance.sum(), 1):
        raise InputError(f"class_balance must be above 0 and sum to 1, found {balance}")
    return balance
