"""Checks of parameters that several label models share."""

from __future__ import annotations

from spear_amal.params import check_not_negative, check_whole


def check_iterations(max_iter: int, tol: float, least: int = 1) -> None:
    """Raise InputError unless ``max_iter >= least`` and ``tol >= 0``."""
    check_whole("max_iter", max_iter, least)
    check_not_negative("tol", tol)
