"""Scores of a model from its confusion matrix, as a whole and class by class, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling.analysis import wilson_interval
from spear_amal.report.formatting import format_interval, format_numbers

LEVEL = 0.95
_DRAWS = 1_000
_SCORES = ("precision", "recall", "F1")


def class_table(confusion: np.ndarray, class_names: Sequence[Any]) -> pd.DataFrame:
    """Compute precision, recall and F1 of every class, with 95% intervals.

    F1 is 2j / (1 + j), where j is the share of right rows among those that are of the class or are
    taken for it. So all three are shares of rows, or grow with one, and have Wilson intervals.

    Parameters
    ----------
    confusion : ndarray (C, C)
        Counts: gold in rows, predicted in columns.
    class_names : sequence of length C

    Returns
    -------
    DataFrame
        One row a class: ``class, gold rows, predicted`` (counts), ``precision, recall, F1``, each
        with ``NAME low`` and ``NAME high``. NaN where there is no row to judge by.

    Examples
    --------
    >>> table = class_table(np.array([[8, 2], [1, 9]]), ["ham", "spam"])
    >>> table[["class", "precision", "recall"]].round(2).values.tolist()
    [['ham', 0.89, 0.8], ['spam', 0.82, 0.9]]
    """
    counts = np.asarray(confusion)
    right, gold, predicted = np.diagonal(counts), counts.sum(1), counts.sum(0)
    table = pd.DataFrame({"class": list(class_names), "gold rows": gold, "predicted": predicted})
    for name, total in zip(_SCORES, (predicted, gold, gold + predicted - right), strict=True):
        low, high = wilson_interval(right, total, LEVEL)
        for column, share in ((name, _share(right, total)), ("low", low), ("high", high)):
            score = 2 * share / (1 + share) if name == "F1" else share
            shown = np.where(total > 0, score, np.nan)
            table[column if column == name else f"{name} {column}"] = shown
    return table


def _share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return part / np.maximum(total, 1)


def readable_class_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`class_table` as strings."""
    shown = pd.DataFrame({"class": table["class"].map(str)})
    for name in ("gold rows", "predicted"):
        shown[name] = table[name].map(str)
    for name in _SCORES:
        pairs = zip(table[f"{name} low"], table[f"{name} high"], strict=True)
        shown[name] = format_numbers(table[name], "{:.2f}")
        shown[f"95% of {name}"] = [format_interval(low, high, ".2f") for low, high in pairs]
    return shown


def overall_scores(confusion: np.ndarray) -> pd.DataFrame:
    """Compute accuracy and macro F1 with 95% intervals: ``score, value, low, high``.

    Of accuracy it is Wilson's interval, of macro F1 a bootstrap over rows, the same for the same
    counts; NaN if no row is wrong, as then all draws are alike.
    """
    counts = np.asarray(confusion)
    n, n_right = int(counts.sum()), int(np.trace(counts))
    low, high = wilson_interval(np.array([n_right]), np.array([n]), LEVEL)
    macro_low, macro_high = np.nan, np.nan
    if n_right < n:
        bounds = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        macro_low, macro_high = np.quantile(_macro_f1(_redrawn(counts)), bounds)
    rows = [
        ("accuracy", n_right / n if n else np.nan, float(low[0]), float(high[0])),
        ("macro F1", float(_macro_f1(counts[None])[0]), float(macro_low), float(macro_high)),
    ]
    return pd.DataFrame(rows, columns=["score", "value", "low", "high"])


def _redrawn(counts: np.ndarray) -> np.ndarray:
    """Return confusion matrices (draws, C, C) of as many rows, drawn with replacement."""
    n, used = int(counts.sum()), np.nonzero(counts)
    draws = np.zeros((_DRAWS, *counts.shape), dtype=np.int32)
    draws[:, used[0], used[1]] = np.random.default_rng(0).multinomial(
        n, counts[used] / n, size=_DRAWS
    )
    return draws


def _macro_f1(confusions: np.ndarray) -> np.ndarray:
    """Mean over the classes that have gold or predicted rows, as scikit-learn takes it."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    sizes = confusions.sum(1) + confusions.sum(2)
    f1 = 2 * right / np.maximum(sizes, 1)
    return f1.sum(1) / np.maximum((sizes > 0).sum(1), 1)


def scores_sentence(confusion: np.ndarray, rows: str) -> str:
    """Return in words how many rows are right, with the interval."""
    scores = overall_scores(confusion).set_index("score")
    words = [
        f"{name} {scores.loc[name, 'value']:.3f} (95% interval "
        f"{format_interval(scores.loc[name, 'low'], scores.loc[name, 'high'], '.3f')})"
        for name in scores.index
    ]
    return f"On {rows}: {', '.join(words)}."
