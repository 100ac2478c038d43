"""The tables of a comparison on a user's own table, as strings: in points, intervals as text."""

from __future__ import annotations

import math

import pandas as pd

from spear_amal.report.formatting import METRIC_NAMES, format_interval, format_numbers

_SHARES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def readable_scores(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return scores and gains of methods as strings, in points.

    Parameters
    ----------
    table : DataFrame
        As ``Comparison.table_``.
    metric : str
    """
    points = table.drop(columns=["method", "title", "seconds"]) * 100
    baseline = table.loc[table["gain"].isna(), "title"].iloc[0]
    intervals = {
        "95% interval": _intervals(points["low"], points["high"], ".1f"),
        "95% interval of the gain": _intervals(points["gain_low"], points["gain_high"], "+.1f"),
    }
    return pd.DataFrame(
        {
            "method": table["title"],
            METRIC_NAMES[metric]: format_numbers(points["score"], "{:.1f}"),
            "95% interval": intervals["95% interval"],
            f"gain over {baseline}": format_numbers(points["gain"], "{:+.1f}", ""),
            "95% interval of the gain": intervals["95% interval of the gain"],
            "seconds": format_numbers(table["seconds"], "{:.1f}"),
        }
    )


def readable_crossover(table: pd.DataFrame) -> pd.DataFrame:
    """Return scores with few labels and with more as strings, in points.

    Parameters
    ----------
    table : DataFrame
        As ``Crossover.table_``.
    """
    points = table.drop(columns="labels") * 100
    columns: dict[str, list[str]] = {"labels": [f"{number:,}" for number in table["labels"]]}
    for name, title in (("plain", "gold alone"), ("rules", "with rules"), ("gain", "gain")):
        form = "+.1f" if name == "gain" else ".1f"
        columns[title] = format_numbers(points[name], f"{{:{form}}}")
        low, high = points[f"{name}_low"], points[f"{name}_high"]
        columns[f"{title}, 95%"] = _intervals(low, high, form)
    return pd.DataFrame(columns)


def _intervals(lows: pd.Series, highs: pd.Series, form: str) -> list[str]:
    bounds = zip(lows, highs, strict=True)
    return ["" if math.isnan(low) else format_interval(low, high, form) for low, high in bounds]


def readable_class_scores(per_class: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 by class and method as strings, in points.

    Parameters
    ----------
    per_class : DataFrame
        As ``Comparison.per_class_``.
    """
    first = per_class["class"].ne(per_class["class"].shift())
    return pd.DataFrame(
        {
            "class": per_class["class"].astype(str).where(first, ""),
            "labelled rows": per_class["rows"].astype(str).where(first, ""),
            "method": per_class["title"],
            **{
                title: format_numbers(100 * per_class[name], "{:.1f}")
                for name, title in _SHARES.items()
            },
        }
    )
