"""What learnt weights say about rows: do wrong labels count less, and by teacher confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

BUCKETS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def difference(weights: pd.DataFrame) -> np.ndarray | None:
    """Return teacher's weight (the largest, of several) minus the label's; None if rows are alike.

    AMAL's ``lambda_a - lambda_p``: high where a row is to be learnt from the teacher.
    """
    teachers = [name for name in weights if str(name).startswith("teacher")]
    label = next((name for name in ("label", "gold") if name in weights), None)
    if not teachers or label is None:
        return None
    values = weights[teachers].max(axis=1).to_numpy() - weights[label].to_numpy()
    return None if np.ptp(values) == 0 else values


def separation(weights: pd.DataFrame, noisy: np.ndarray) -> dict[str, Any]:
    """Measure how well the difference of weights tells wrong labels from right ones.

    Parameters
    ----------
    weights : DataFrame (n or more rows)
        Training rows first.
    noisy : ndarray (n,) bool

    Returns
    -------
    dict
        "auc" (area under the ROC curve of the difference), mean differences "noisy_difference"
        and "clean_difference"; empty where weights were not learnt or no label is wrong.
    """
    values = difference(weights.iloc[: len(noisy)])
    if values is None or not noisy.any() or noisy.all():
        return {}
    return {
        "auc": round(float(roc_auc_score(noisy, values)), 5),
        "noisy_difference": round(float(values[noisy].mean()), 5),
        "clean_difference": round(float(values[~noisy].mean()), 5),
    }


def buckets(
    weights: pd.DataFrame, teacher: np.ndarray, y: np.ndarray, noisy: np.ndarray
) -> dict[str, list[float | None]]:
    """Return the mean teacher weight by the teacher's probability of the given label.

    Parameters
    ----------
    weights : DataFrame
    teacher : ndarray (n, C)
        Logits of the teacher on training rows.
    y, noisy : ndarray (n,)

    Returns
    -------
    dict
        For "noisy" and "clean" rows the mean teacher weight in each of :data:`BUCKETS` (None
        where a bucket is empty), and "noisy_rows", "clean_rows" their numbers.
    """
    weight = weights["teacher"].to_numpy()[: len(y)]
    p = softmax(teacher.astype(float), axis=1)[np.arange(len(y)), y]
    place = np.clip(np.digitize(p, BUCKETS[1:-1]), 0, len(BUCKETS) - 2)
    means: dict[str, list[float | None]] = {}
    for name, rows in (("noisy", noisy), ("clean", ~noisy)):
        counts = np.bincount(place[rows], minlength=len(BUCKETS) - 1)
        sums = np.bincount(place[rows], weights=weight[rows], minlength=len(BUCKETS) - 1)
        means[f"{name}_rows"] = counts.tolist()
        means[name] = [round(s / n, 5) if n else None for s, n in zip(sums, counts, strict=True)]
    return means


def histogram(weights: pd.DataFrame, noisy: np.ndarray, n_bins: int = 20) -> dict[str, Any]:
    """Count rows by their difference of weights, apart for wrong and right labels.

    Returns
    -------
    dict
        "edges" (n_bins + 1) from the smallest to the largest difference, "noisy" and "clean"
        (n_bins): numbers of rows.
    """
    values = difference(weights.iloc[: len(noisy)])
    if values is None:
        return {}
    edges = np.linspace(values.min(), values.max(), n_bins + 1)
    return {
        "edges": np.round(edges, 4).tolist(),
        "noisy": np.histogram(values[noisy], edges)[0].tolist(),
        "clean": np.histogram(values[~noisy], edges)[0].tolist(),
    }
