"""What a method needs of the labels that it is trained on, checked before any training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.studies.methods import METHODS, WITHOUT_GOLD, MethodSpec, parse_method
from spear_amal.votes.class_set import ClassNames


def method_for(spec: MethodSpec, y: np.ndarray, where: str = "the table") -> MethodSpec:
    """Return the method for training rows: without any label, one that learns from votes alone.

    Parameters
    ----------
    spec : MethodSpec
    y : ndarray (n,)
        Class codes of the training rows, -1 where unlabelled.
    where : str
        What messages call the rows.

    Raises
    ------
    InputError
        If the method needs labels and there are none, or needs all and some are missing.

    Warns
    -----
    UserWarning
        If no row has a label, so that nothing can tell how right the model is.

    Examples
    --------
    >>> from spear_amal.studies import parse_method
    >>> method_for(parse_method("recommended"), np.array([0, 1, -1])).text
    'recommended'
    """
    if not (y >= 0).any():
        return _without_gold(spec, where)
    n = int((y < 0).sum())
    if spec.method.gold == "all" and n:
        raise InputError(
            f"method {spec.text} is trained on gold labels of all rows, but {n} of {len(y)} rows "
            "have none; choose only-lv, or a method that uses votes"
        )
    return spec


def _without_gold(spec: MethodSpec, where: str) -> MethodSpec:
    learns_from_votes = spec.method.uses_votes and not spec.method.needs_gold
    if not learns_from_votes and spec.text != "recommended":
        advice = "label a few rows of every class"
        if spec.method.uses_votes:
            able = ", ".join(name for name, method in METHODS.items() if not method.needs_gold)
            advice += f", or choose a method; from votes alone these learn: {able}"
        raise InputError(
            f"{where}: no row has a label, and method {spec.text} needs some; {advice}"
        )
    chosen = spec if learns_from_votes else parse_method(WITHOUT_GOLD)
    warnings.warn(
        f"{where}: no row has a label, so {chosen.title} is trained on votes alone, and nothing "
        "can tell how often it is right; label some rows to know",
        UserWarning,
        stacklevel=4,
    )
    return chosen


def with_possible_folds(spec: MethodSpec, y: np.ndarray, classes: ClassNames) -> MethodSpec:
    """Return the method that is trained unasked, in as many folds as the rarest class allows.

    Parameters
    ----------
    spec : MethodSpec
        Only ``recommended`` as it is named by default is changed.
    y : ndarray (n,)
        Class codes of training and validation rows, -1 where unlabelled.
    classes : ClassNames

    Warns
    -----
    UserWarning
        If a class has fewer labelled rows than the method has folds.
    """
    counts = np.bincount(y[y >= 0], minlength=len(classes))
    seen = np.flatnonzero(counts)
    if spec.text != "recommended" or not len(seen):
        return spec
    rarest = seen[counts[seen].argmin()]
    fewest = int(counts[rarest])
    if fewest >= spec.settled["crossfit"]:
        return spec
    chosen = spec.changed(crossfit=fewest) if fewest > 1 else parse_method("amal")
    instead = f"in {fewest} folds" if fewest > 1 else "as one model"
    warnings.warn(
        f"the class {str(classes[rarest])!r} has {fewest} labelled row{'s' * (fewest > 1)}, so "
        f"AMAL is trained {instead}; label more rows of it",
        UserWarning,
        stacklevel=3,
    )
    return chosen


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
