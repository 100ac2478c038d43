"""How a score grows with the number of labels: inverse power laws, many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: A curve is asked for at most so many times the largest number of labels that was measured.
FARTHEST = 4
_RATES = np.geomspace(0.1, 1.6, 25)
# Most learning curves of classifiers fall off with a rate near one half; three or four points
# alone do not tell a rate.
_USUAL_RATE, _SPREAD = 0.5, 0.7  # the spread is that of the logarithm
_LEAST_ERROR = 0.003  # of a score: no point weighs without bound


@dataclass(frozen=True)
class LabelCurves:
    """Curves s(n) = ceiling - drop / n ** rate, B of them.

    Attributes
    ----------
    ceiling, drop, rate : ndarray (B,)
    """

    ceiling: np.ndarray
    drop: np.ndarray
    rate: np.ndarray

    def at(self, n: np.ndarray | float) -> np.ndarray:
        """Return the scores (B, k) with so many labels (k,)."""
        falling = np.atleast_1d(n) ** -self.rate[:, None]
        return self.ceiling[:, None] - self.drop[:, None] * falling


def fit_label_curves(sizes: np.ndarray, scores: np.ndarray, errors: np.ndarray) -> LabelCurves:
    """Fit inverse power laws to scores by weighted least squares.

    Curves do not fall, and stay at or below 1. The rate, which few points hardly tell, is drawn
    toward one half.

    Parameters
    ----------
    sizes : ndarray (S,)
        Numbers of labels.
    scores : ndarray (B, S)
        One row a curve.
    errors : ndarray (S,)
        Standard errors of the scores.

    Examples
    --------
    >>> sizes = np.array([10.0, 20.0, 40.0, 80.0, 160.0])
    >>> scores = 0.9 - 1.0 * sizes**-0.5
    >>> curves = fit_label_curves(sizes, scores[None], np.full(5, 0.01))
    >>> curves.at(640.0).round(2).tolist()
    [[0.86]]
    """
    weights = 1 / np.maximum(errors, _LEAST_ERROR) ** 2
    best = np.full(len(scores), np.inf)
    ceiling, drop, rate = (np.zeros(len(scores)) for _ in range(3))
    for tried in _RATES:
        a, b = _line(sizes**-tried, scores, weights)
        misfit = (weights * (scores - a[:, None] + b[:, None] * sizes**-tried) ** 2).sum(1)
        misfit += (np.log(tried / _USUAL_RATE) / _SPREAD) ** 2
        better = misfit < best
        for kept, new in ((best, misfit), (ceiling, a), (drop, b)):
            kept[better] = new[better]
        rate[better] = tried
    return LabelCurves(ceiling, drop, rate)


def _line(x: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit scores (B, S) = a - b x with b >= 0 and a <= 1; return a and b (B,)."""
    share = weights / weights.sum()
    mean_x, mean = share @ x, scores @ share
    slope = -((scores - mean[:, None]) * (x - mean_x)) @ share / (share @ (x - mean_x) ** 2)
    b = np.maximum(slope, 0.0)
    a = mean + b * mean_x
    through_one = ((1 - scores) * x) @ share / (share @ x**2)
    above = a > 1
    return np.where(above, 1.0, a), np.where(above, np.maximum(through_one, 0.0), b)


def first_number(reached: Callable[[np.ndarray], np.ndarray], low: int, high: int) -> np.ndarray:
    """Return from which number of labels on something holds for each of B curves.

    Parameters
    ----------
    reached : callable
        From numbers (k,) to truth values (B, k).
    low, high : int
        The numbers that are looked at.

    Returns
    -------
    ndarray (B,)
        `low` where it always holds, infinity where it does not hold at `high`.
    """
    numbers = np.unique(np.geomspace(low, max(high, low + 1), 200).round())
    holds = reached(numbers)
    # From the last number at which it does not hold.
    failing = ~holds[:, ::-1]
    steps = np.where(failing.any(1), failing.argmax(1), len(numbers))
    return np.where(steps == 0, np.inf, numbers[-np.maximum(steps, 1)])


@dataclass(frozen=True)
class LabelNumber:
    """A number of labels that was read off curves, with its 95% interval.

    Attributes
    ----------
    value, low, high : float
        Infinity for what lies beyond `farthest`.
    nearest, farthest : int
        The numbers that were looked at; `nearest` stands for it and all below.
    """

    value: float
    low: float
    high: float
    nearest: int
    farthest: int

    @property
    def known(self) -> bool:
        """False where the number lies beyond what the labels at hand can tell."""
        return bool(np.isfinite(self.value))

    @property
    def text(self) -> str:
        """The number and its interval in words."""
        interval = f"95% interval {self._words(self.low)} to {self._words(self.high)}"
        if not self.known:
            return f"beyond what your labels can tell: {self._words(self.value)} ({interval})"
        about = "" if self.value <= self.nearest else "about "
        return f"{about}{self._words(self.value)} labels ({interval})"

    def _words(self, number: float) -> str:
        if not np.isfinite(number):
            return f"more than {self.farthest:,}"
        return f"{int(number):,} or fewer" if number <= self.nearest else f"{_rounded(number):,}"

    def as_json(self) -> dict[str, int | None]:
        """Return whole numbers, None for what lies beyond."""
        return {
            name: int(number) if np.isfinite(number) else None
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }


def number_of(values: np.ndarray, nearest: int, farthest: int) -> LabelNumber:
    """Return the number of labels of curves (B,), the first of which is that of the data."""
    # Infinities are numbers here: no interpolation between them and others.
    low, high = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    return LabelNumber(float(values[0]), float(low), float(high), nearest, farthest)


def _rounded(number: float) -> int:
    """Round to two digits, as the number is a rough one."""
    step = 10 ** max(len(str(int(number))) - 2, 0)
    return round(number / step) * step
