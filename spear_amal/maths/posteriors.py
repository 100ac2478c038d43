"""Posteriors from log joints in NumPy, in place: what every step of EM does to all rows."""

from __future__ import annotations

from functools import reduce

import numpy as np

SHORT = 8  # rows of as many numbers fill a cache line


def normalise(joint: np.ndarray) -> np.ndarray:
    """Turn log P(l_i, y) (n, C) into posteriors, in place; return the log-likelihoods (n,)."""
    top = over_classes(np.maximum, joint)
    joint -= top[:, None]
    np.exp(joint, out=joint)
    scale = over_classes(np.add, joint)
    joint /= scale[:, None]
    return top + np.log(scale)


def over_classes(ufunc: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Reduce (n, C) to (n,); column by column where rows are short, since NumPy is slow there."""
    if values.shape[1] > SHORT:
        return ufunc.reduce(values, axis=1)
    return reduce(ufunc, values.T)


def total(weights: np.ndarray, values: np.ndarray) -> float:
    """Weighted sum of values (n,); no dot product, since BLAS starts threads for so little."""
    return float((weights * values).sum())
