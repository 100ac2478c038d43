"""What a method needs of the labels that it is trained on, checked before any training."""

from __future__ import annotations

import warnings

import numpy as np

from spear_amal.errors import InputError
from spear_amal.studies.methods import METHODS, WITHOUT_GOLD, MethodSpec, parse_method


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
