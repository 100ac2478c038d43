"""Checks of parameters that several label models share."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.params import check_not_negative


def check_iterations(max_iter: int, tol: float, least: int = 1) -> None:
    """Raise InputError unless ``max_iter >= least`` and ``tol >= 0``."""
    if max_iter < least:
        raise InputError(f"max_iter must be at least {least}, found {max_iter}")
    check_not_negative("tol", tol)


def check_class_balance(class_balance: VectorLike, n_classes: int) -> np.ndarray:
    """Return given class shares (C,) as an array.

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
