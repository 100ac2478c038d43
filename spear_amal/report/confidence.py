"""Means over seeds, for figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # the quantiles of scipy.stats.t, without 0.5 s of imports

FEWEST = 3  # seeds: the interval of two is thirteen times as wide as their distance


def over_seeds(
    runs: pd.DataFrame,
    by: str | list[str],
    column: str,
    scale: float = 100.0,
    most: float | None = None,
) -> pd.DataFrame:
    """Compute means of a column and their 95% intervals (Student's t); no width for few seeds.

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
    groups = (scale * runs[column].astype(float)).groupby(keys if len(keys) > 1 else keys[0])
    n, mean = groups.size(), groups.mean()
    half = stdtrit(np.maximum(n - 1, 1), 0.975) * groups.std(ddof=1) / np.sqrt(n)
    half = half.where(n >= FEWEST, 0.0)
    intervals = pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half})
    return intervals.clip(0, scale if most is None else most)


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard error of columns (runs, m) that may hold not-a-number.

    Examples
    --------
    >>> mean, error = mean_and_error(np.array([[1.0, np.nan], [3.0, 5.0]]))
    >>> mean.tolist(), error.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """
    known = ~np.isnan(values)
    n = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(0) / n
        squares = np.where(known, (values - mean) ** 2, 0).sum(0)
        error = np.sqrt(squares / np.maximum(n - 1, 1) / n)
    return mean, error
