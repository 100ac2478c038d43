"""What a method needs of the labels that it is trained on, checked before any training."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.studies.methods import METHODS, MethodSpec
from spear_amal.votes.class_set import ClassNames


def check_labels_of_method(spec: MethodSpec, y: np.ndarray) -> None:
    """Raise an error for training rows without a label, and for a ceiling that would be none.

    Parameters
    ----------
    spec : MethodSpec
    y : ndarray (n,)
        Class codes of the training rows, -1 where unlabelled.
    """
    if not (y >= 0).any():
        if spec.method.needs_gold:
            able = ", ".join(name for name, method in METHODS.items() if not method.needs_gold)
            raise InputError(
                f"no row has a label, and method {spec.text} needs a few labelled rows of every "
                f"class; from votes alone these learn: {able}"
            )
        return
    n = int((y < 0).sum())
    if spec.method.gold == "all" and n:
        raise InputError(
            f"method {spec.text} is trained on gold labels of all rows, but {n} of {len(y)} rows "
            "have none; choose only-lv, or a method that uses votes"
        )


def check_labels_of_folds(
    spec: MethodSpec, estimator: Any, y: np.ndarray, classes: ClassNames
) -> None:
    """Raise an error for too few labels for folds.

    Parameters
    ----------
    spec : MethodSpec
    estimator : estimator of the method
    y : ndarray (n,)
        Class codes of training and validation rows, -1 where unlabelled.
    classes : ClassNames
    """
    if not estimator.fit_strategy.startswith("crossfit"):
        return
    counts = np.bincount(y[y >= 0], minlength=len(classes))
    rare = [code for code in np.flatnonzero(counts) if counts[code] < estimator.n_folds]
    if rare:
        raise InputError(
            f"{spec.title} needs {estimator.n_folds} labelled rows of every class, found "
            f"{counts[rare[0]]} of {classes[rare[0]]!r}; label more rows, or choose a method that "
            "trains one model: --method amal, spear or only-lv"
        )
