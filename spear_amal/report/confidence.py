"""Means over seeds, for figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

FEWEST = 3  # seeds: the interval of two is thirteen times as wide as their distance


def over_seeds(
    runs: pd.DataFrame,
    by: str | list[str],
    column: str,
    scale: float = 100.0,
    most: float | None = None,
) -> pd.DataFrame:
    """Mean of a column and its 95% interval (Student's t); no width where there are few seeds.

    Parameters
    ----------
    runs : DataFrame
        One row a run; runs without a value are left out.
    by : str or list of str
        Columns that tell groups of seeds apart.
    column : str
    scale : float
        Factor, 100 for points.
    most : float, optional
        Largest bound, default `scale`; bounds are 0 or more.

    Returns
    -------
    DataFrame
        Columns ``mean, low, high``, in the order of `by`.
    """
    runs = runs[runs[column].notna()]
    keys = [runs[name] for name in ([by] if isinstance(by, str) else by)]
    held = (scale * runs[column].astype(float)).groupby(keys if len(keys) > 1 else keys[0])
    half = half_width(held)
    bounds = {"low": held.mean() - half, "high": held.mean() + half}
    return pd.DataFrame({"mean": held.mean(), **bounds}).clip(0, scale if most is None else most)


def half_width(held: pd.api.typing.SeriesGroupBy) -> pd.Series:
    """Half of the 95% interval of each group's mean; 0 for fewer than three values."""
    from scipy.stats import t

    n = held.size()
    half = t.ppf(0.975, np.maximum(n - 1, 1)) * held.std(ddof=1) / np.sqrt(n)
    return half.where(n >= FEWEST, 0.0)


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of columns (runs, m) that may hold not-a-number.

    Examples
    --------
    >>> mean, error = mean_and_error(np.array([[1.0, np.nan], [3.0, 5.0]]))
    >>> mean.tolist(), error.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """
    there = ~np.isnan(values)
    n = there.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, values, 0).sum(0) / n
        squares = np.where(there, (values - mean) ** 2, 0).sum(0)
        error = np.sqrt(squares / np.maximum(n - 1, 1) / n)
    return mean, error
