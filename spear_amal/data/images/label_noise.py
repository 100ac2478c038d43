"""Wrong labels on purpose: how many, which ones, and never the right class again."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.seeds import random_generator
from spear_amal.votes.matrix_checks import as_floats, as_vector, as_whole_numbers

KINDS = ("symmetric", "pairs", "confusable")


@dataclass(frozen=True)
class NoisyLabels:
    """Labels of which some were made wrong.

    Attributes
    ----------
    y : ndarray (n,) int64
        The labels as training sees them.
    flipped : ndarray (n,) bool
        Rows whose label was changed; each of them holds another class than before.
    rate : float
        The rate that was asked for.
    effective : float
        Changed rows among labelled rows (0 where there are none); differs from `rate` by the
        rounding to whole rows only.
    """

    y: np.ndarray
    flipped: np.ndarray
    rate: float
    effective: float


def add_label_noise(
    y: VectorLike,
    rate: float,
    n_classes: int,
    seed: int | np.random.Generator,
    kind: str = "symmetric",
    confusion: MatrixLike | None = None,
) -> NoisyLabels:
    """Change the class of ``round(rate * n)`` of n labelled rows; for training rows only.

    Published code for this experiment draws the new class uniformly over *all* classes, the right
    one included: of 40% asked among 10 classes only 36% come out wrong. Here the true class is
    left out, so the rate that was asked for is the rate that training meets.

    Parameters
    ----------
    y : array of int (n,)
        True classes of the training rows; rows with -1 are unlabelled and stay so.
    rate : float
        In [0, 1]: share of labelled rows to change.
    n_classes : int
    seed : int or Generator
    kind : {"symmetric", "pairs", "confusable"}
        Where a changed row goes: to any other class, each as likely; to the next class (the last
        goes to the first); to other classes in proportion to `confusion`.
    confusion : array (n_classes, n_classes), optional
        For "confusable": non-negative weights or counts, true class by row. The diagonal is not
        used; a class whose row is otherwise empty goes to any other class.

    Raises
    ------
    InputError
        If a label is no class, the rate is outside [0, 1], or there is no other class to go to.

    Examples
    --------
    >>> noisy = add_label_noise([0, 1, 2, 0, -1], 0.5, n_classes=3, seed=7)
    >>> int(noisy.flipped.sum()), noisy.effective, int(noisy.y[4])
    (2, 0.5, -1)
    """
    check_whole("n_classes", n_classes, 1)
    if not (isinstance(rate, Real) and 0.0 <= rate <= 1.0):
        raise InputError(f"rate must lie in [0, 1], found {rate!r}")
    y = _checked_labels(y, n_classes)
    labelled = np.flatnonzero(y >= 0)
    count = round(rate * len(labelled))
    if count and n_classes < 2:
        raise InputError("label noise needs at least 2 classes; with one there is no other")
    generator = random_generator(seed)
    rows = generator.permutation(labelled)[:count]
    noisy = y.copy()
    noisy[rows] = _other_classes(y[rows], _odds(kind, n_classes, confusion), generator)
    effective = count / len(labelled) if len(labelled) else 0.0
    return NoisyLabels(noisy, noisy != y, float(rate), effective)


def _checked_labels(y: Any, n_classes: int) -> np.ndarray:
    y = as_whole_numbers(as_vector(y, "y"), "y")
    if y.size and not (-1 <= y.min() and y.max() < n_classes):
        raise InputError(
            f"labels must be -1 (unlabelled) or 0 to {n_classes - 1}, found {y.min()} to {y.max()}"
        )
    return y.astype(np.int64)


def _odds(kind: str, n_classes: int, confusion: MatrixLike | None) -> np.ndarray:
    """Weights (C, C) of going from one class to another; zero on the diagonal."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"kind must be one of {KINDS}, found {kind!r}")
    if (confusion is None) == (kind == "confusable"):
        raise InputError('kind="confusable" needs confusion=, and no other kind takes it')
    others = 1.0 - np.eye(n_classes)
    if kind == "symmetric":
        return others
    if kind == "pairs":
        return np.roll(np.eye(n_classes), 1, axis=1)
    odds = as_floats(confusion, "confusion")
    if odds.shape != others.shape or not (np.isfinite(odds) & (odds >= 0)).all():
        raise InputError(
            f"confusion must be {n_classes} x {n_classes} finite weights of at least 0, "
            f"found shape {odds.shape}"
        )
    odds = odds * others
    return np.where(odds.sum(axis=1, keepdims=True) > 0, odds, others)


def _other_classes(y: np.ndarray, odds: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a class for each row of `y` (k,) with the odds of its present class."""
    # A class without odds spans no part of the running sum, so that no draw can fall on it.
    sums = np.cumsum(odds, axis=1)[y]  # (k, C)
    draws = generator.random(len(y)) * sums[:, -1]
    draws = np.minimum(draws, np.nextafter(sums[:, -1], 0.0))  # rounding may reach the end
    return (draws[:, None] >= sums).sum(axis=1)
