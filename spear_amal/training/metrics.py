"""Scores by name, on class codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from spear_amal.errors import InputError


def _binary_f1(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1_score(y, predicted, labels=[1], average="macro", zero_division=0.0))


def _macro_f1(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1_score(y, predicted, average="macro", zero_division=0.0))


def _accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(accuracy_score(y, predicted))


#: The metrics by name; each takes gold and predicted classes, (n,) each.
METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "f1": _binary_f1,  # F1 of class 1, as in the published tables
    "macro-f1": _macro_f1,
}


def score(metric: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """Score predicted class codes against gold ones, both (n,); rows with gold -1 are left out.

    Examples
    --------
    >>> score("accuracy", np.array([0, 1, -1]), np.array([0, 0, 1]))
    0.5
    """
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}; choose from {sorted(METRICS)}")
    known = np.asarray(y) >= 0
    if not known.any():
        raise InputError("nothing to score: no row has a gold label")
    return METRICS[metric](np.asarray(y)[known], np.asarray(predicted)[known])
