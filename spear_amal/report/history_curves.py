"""Curves over epochs as histories of training hold them."""

from __future__ import annotations

import pandas as pd


def selected_part(history: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a history that validation rows judged: no refit on all gold rows."""
    if "refit" not in history:
        return history
    return history[history["refit"].isna() | (history["refit"] == False)]  # noqa: E712  # NaN


def curve(history: pd.DataFrame, column: str) -> pd.Series:
    """Compute the mean over cross-fitted members by epoch; empty if it was not recorded."""
    part = selected_part(history)
    if column not in part:
        return pd.Series(dtype=float)
    return part.groupby("epoch")[column].mean().dropna()
