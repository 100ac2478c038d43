"""Cells of tables as plain values: what counts as missing, and what JSON can hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd


def is_empty_cell(value: Any) -> bool:
    """Return whether a cell is empty: None, NaN, or pandas' and NumPy's marks for it."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)


def json_value(value: Any) -> Any:
    """Return a cell as JSON has it: arrays as lists, dates as texts, missing values as None."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if is_empty_cell(value):
        return None
    if isinstance(value, date):  # and datetime, and pandas' Timestamp
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
