"""The tables of a comparison as people read them: in points, intervals as text."""

from __future__ import annotations

import math

import pandas as pd

METRIC_TITLES = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}


def readable_scores(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the table of an :class:`Outcome` as strings, in points."""
    [baseline] = table.loc[table["gain"].isna(), "title"].head(1)
    return pd.DataFrame(
        {
            "method": table["title"],
            METRIC_TITLES[metric]: [f"{100 * score:.1f}" for score in table["score"]],
            "95% interval": [_interval(*bounds) for bounds in _pairs(table, "low", "high")],
            f"gain over {baseline}": ["" if math.isnan(g) else _signed(g) for g in table["gain"]],
            "95% interval of the gain": [
                "" if math.isnan(low) else _interval(low, high, "+.1f")
                for low, high in _pairs(table, "gain_low", "gain_high")
            ],
            "seconds": [f"{seconds:.1f}" for seconds in table["seconds"]],
        }
    )


def readable_classes(per_class: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 by class as strings, one row for each class and method."""
    shares = ("precision", "recall", "f1")
    return pd.DataFrame(
        {
            "class": per_class["class"].astype(str),
            "labelled rows": per_class["rows"].astype(str),
            "method": per_class["title"],
            **{
                "F1" if name == "f1" else name: [f"{100 * share:.1f}" for share in per_class[name]]
                for name in shares
            },
        }
    )


def _pairs(table: pd.DataFrame, low: str, high: str) -> list[tuple[float, float]]:
    return list(zip(table[low], table[high], strict=True))


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _interval(low: float, high: float, form: str = ".1f") -> str:
    return f"{100 * low:{form}} to {100 * high:{form}}"
