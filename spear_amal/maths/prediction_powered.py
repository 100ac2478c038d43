"""Means from few gold rows and many guesses: prediction-powered inference.

On n gold rows both truth y and a guess f are known, on N other rows the guess alone. The estimate

    mean(y on gold rows) + lambda (mean(f on other rows) - mean(f on gold rows))

is unbiased whatever the guesses are worth, if the gold rows were drawn at random and f does not
know their y; lambda makes its variance least (Angelopoulos et al. 2023, "Prediction-powered
inference"; Angelopoulos, Duchi and Zrnic 2023, "PPI++"). With guesses that tell nothing lambda is
near 0, and the mean of the gold rows is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from spear_amal.errors import InputError

#: With fewer gold rows nothing is read off guesses.
LEAST_ROWS = 8
# Added to the squares that guesses leave, as they leave too little by luck: where truths are
# nearly all alike, few rows tell how good guesses are.
_UNEXPLAINED = 0.4
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class PoweredMean:
    """A mean with its 95% interval.

    Attributes
    ----------
    value, low, high : float
        Not-a-number without gold rows.
    n_gold : int
    n_effective : float
        Gold rows that would tell as much without guesses; at least `n_gold`.
    weight : float
        The lambda of the guesses.
    """

    value: float
    low: float
    high: float
    n_gold: int
    n_effective: float
    weight: float

    def at_level(self, level: float) -> PoweredMean:
        """Return the mean with an interval of another level, as of a normal distribution."""
        half = (self.high - self.value) / _Z * NormalDist().inv_cdf((1 + level) / 2)
        return replace(self, low=self.value - half, high=self.value + half)


def powered_share(y: np.ndarray, guesses: np.ndarray, others: np.ndarray) -> PoweredMean:
    """Estimate a share, such as that of a class, or of right answers.

    The interval is Wilson's on the effective number of gold rows: it stays within 0 and 1, and has
    a width where all gold rows are alike.

    Parameters
    ----------
    y : ndarray (n,)
        0 or 1 (or numbers between) of gold rows, drawn at random.
    guesses : ndarray (n,)
        Of the same rows, made without knowledge of `y`: best the probability of 1.
    others : ndarray (N,)
        Guesses of rows without gold, made in the same way.

    Examples
    --------
    >>> y = np.repeat([1.0, 0.0], [30, 10])
    >>> plain = powered_share(y, np.zeros(40), np.zeros(400))
    >>> round(plain.value, 3), round(plain.low, 3), round(plain.high, 3), plain.n_effective
    (0.75, 0.598, 0.858, 40.0)
    >>> guesses = np.r_[np.full(30, 0.9), np.full(10, 0.2)]
    >>> powered_share(y, guesses, np.full(400, 0.7)).n_effective > 200
    True
    """
    value, weight, n = _tuned(*_checked(y, guesses, others))
    if not n:
        return PoweredMean(np.nan, 0.0, 1.0, 0, 0.0, 0.0)
    value = float(np.clip(value, 0.0, 1.0))
    centre = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    low = 0.0 if value == 0 else float(centre - half)
    high = 1.0 if value == 1 else float(centre + half)
    return PoweredMean(value, low, high, len(y), n, weight)


def powered_mean(
    y: np.ndarray, guesses: np.ndarray, others: np.ndarray, size: float = 1.0
) -> PoweredMean:
    """Estimate a mean of numbers between -1 and 1, such as gains row by row.

    The interval is that of the normal distribution, as if there were four rows more, two on each
    side (after Agresti and Min 2005): rows that are all alike are not surely so.

    Parameters
    ----------
    y, guesses, others
        As for :func:`powered_share`.
    size : float
        How far from zero such numbers are on the average: that of the four rows more.
    """
    value, weight, n = _tuned(*_checked(y, guesses, others))
    if not n:
        return PoweredMean(np.nan, -1.0, 1.0, 0, 0.0, 0.0)
    spread = float(np.var(y)) / n + 4 * (size / len(y)) ** 2
    half = _Z * float(np.sqrt(spread))
    return PoweredMean(value, value - half, value + half, len(y), n, weight)


def _checked(
    y: np.ndarray, guesses: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = tuple(np.asarray(values, dtype=float) for values in (y, guesses, others))
    y, guesses, others = arrays
    if not all(values.ndim == 1 and np.isfinite(values).all() for values in arrays):
        raise InputError("truths and guesses must be arrays of one axis with finite numbers")
    if len(y) != len(guesses):
        raise InputError(f"needed is a guess for each of the {len(y)} truths, found {len(guesses)}")
    return y, guesses, others


def _tuned(y: np.ndarray, guesses: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Return the estimate, lambda and the effective number of gold rows (0 without any)."""
    n, n_others = len(y), len(others)
    if n == 0:
        return np.nan, 0.0, 0.0
    mean = float(y.mean())
    if n < LEAST_ROWS or n_others == 0 or not (np.ptp(y) and np.ptp(guesses)):
        return mean, 0.0, float(n)
    spread, slope = _line(y, guesses)
    explained = 1 - _unexplained(y, guesses, slope)
    # Guesses that point the wrong way were made without the row itself and tell nothing else.
    if explained <= 0 or slope <= 0:
        return mean, 0.0, float(n)
    share = n_others / (n + n_others)
    weight = slope * share
    value = mean + weight * float(others.mean() - guesses.mean())
    # Gold rows whose guesses lie aside tell less of the line.
    aside = 1 + n * (guesses.mean() - others.mean()) ** 2 / (spread * n)
    return value, weight, max(float(n / ((1 - explained * share) * aside)), float(n) / aside)


def _line(y: np.ndarray, guesses: np.ndarray) -> tuple[float, float]:
    """Return the variance of the guesses and the slope of the truths over them."""
    spread = float(np.var(guesses))
    centred = guesses - guesses.mean()
    return spread, float((centred * (y - y.mean())).mean() / spread)


def _unexplained(y: np.ndarray, guesses: np.ndarray, slope: float) -> float:
    """Return the share of the variance of y that guesses leave, not too small by luck."""
    n = len(y)
    residuals = y - y.mean() - slope * (guesses - guesses.mean())
    left = float(np.var(residuals) / np.var(y))
    return left * (n - 1) / (n - 2) + _UNEXPLAINED / (n * float(np.var(y)))
