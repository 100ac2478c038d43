"""Rows drawn by the weights that mixing gave their losses: coresets, seeded.

The AMAL paper (section 5.2, table 1) trains anew on 20% of the rows, drawn with probabilities that
are a function of the final weights of label and teacher.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.seeds import random_generator

STRATEGIES = ("squares", "difference", "ratio")
FLOOR = 1e-7  # smallest weight of the published runs; ratios to a weight of 0 are to this


def coreset_probabilities(
    label_weights: Any, teacher_weights: Any, strategy: str = "squares", cap: float | None = None
) -> np.ndarray:
    """Probabilities (n,) with which rows are drawn into a coreset.

    Parameters
    ----------
    label_weights : array (n,)
        Weight p of the loss on labels.
    teacher_weights : array (n,) or (n, T)
        Weight a of the teachers' losses; of several the largest counts.
    strategy : {"squares", "difference", "ratio"}
        Proportional to ``p^2 + a^2``, to ``|p - a|``, or to ``a / p``.
    cap : float, optional
        Largest score before scores are made probabilities. Without it the rows whose p is close to
        0 have nearly all the probability under "ratio".

    Returns
    -------
    ndarray of float64, shape (n,)
        Sums to 1; equal for all rows if all scores are 0.

    Examples
    --------
    >>> coreset_probabilities([0.0, 1.0], [2.0, 1.0], "difference")
    array([1., 0.])
    """
    p = _weights("label_weights", label_weights, 1)
    a = _weights("teacher_weights", teacher_weights, 2)
    a = a.max(axis=1) if a.ndim == 2 else a
    if len(a) != len(p):
        raise InputError(f"label_weights have {len(p)} rows, teacher_weights {len(a)}")
    scores = _scores(p, a, strategy)
    if cap is not None:
        if not cap > 0:
            raise InputError(f"cap must be above 0, found {cap}")
        scores = np.minimum(scores, cap)
    # The largest is divided out first: sums of squares of large weights could overflow.
    scores = scores / (scores.max(initial=0.0) or 1.0)
    total = scores.sum()
    return scores / total if total > 0 else np.full(len(p), 1 / max(len(p), 1))


def _scores(p: np.ndarray, a: np.ndarray, strategy: str) -> np.ndarray:
    if strategy == "squares":
        return p**2 + a**2
    if strategy == "difference":
        return np.abs(p - a)
    if strategy == "ratio":
        return a / np.maximum(p, FLOOR)
    raise InputError(f"strategy must be one of {STRATEGIES}, found {strategy!r}")


def gumbel_top_k(weights: Any, k: int, random_state: Any = None) -> np.ndarray:
    """Draw k rows without replacement, each next one in proportion to its weight among the rest.

    The k largest of ``log w_i + Gumbel_i`` have the same distribution (Vieira, 2014). Rows of
    weight 0 are drawn only when no others are left, all alike.

    Parameters
    ----------
    weights : array (n,)
        From 0 on; they need not sum to 1.
    k : int
        From 0 to n.
    random_state : int, Generator or None

    Returns
    -------
    ndarray of int, shape (k,)
        Row numbers in the order in which they were drawn.

    Examples
    --------
    >>> gumbel_top_k([0.0, 3.0, 0.0], 1, random_state=0)
    array([1])
    """
    weights = _weights("weights", weights, 1)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k <= len(weights):
        raise InputError(f"k must be a whole number between 0 and {len(weights)}, found {k!r}")
    noise = random_generator(random_state, "random_state").gumbel(size=len(weights))
    drawn = weights > 0
    keys = noise + np.log(np.where(drawn, weights, 1.0))
    return np.lexsort((-keys, ~drawn))[:k]


def _weights(name: str, values: Any, dimensions: int) -> np.ndarray:
    weights = np.asarray(values, dtype=np.float64)
    if not 1 <= weights.ndim <= dimensions or (weights.ndim == 2 and weights.shape[1] == 0):
        raise InputError(f"{name} must be one column of numbers, found shape {weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise InputError(f"{name} must be finite and not negative")
    return weights
