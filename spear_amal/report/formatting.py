"""Numbers and tables as text, the same on pages, on the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

METRIC_NAMES = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}
MISSING = "n/a"


def format_numbers(values: Iterable[Any], form: str, missing: str = MISSING) -> list[str]:
    """Return numbers as text; those that are None or not-a-number as `missing`.

    Examples
    --------
    >>> format_numbers([0.25, None], "{:.1%}")
    ['25.0%', 'n/a']
    """
    return [missing if pd.isna(value) else form.format(value) for value in values]


def format_interval(low: float, high: float, form: str = "+.1f") -> str:
    """Return the bounds of an interval as text.

    Examples
    --------
    >>> format_interval(-0.25, 1.5), format_interval(float("nan"), 1.5)
    ('-0.2 to +1.5', 'n/a')
    """
    return MISSING if pd.isna(low) else f"{low:{form}} to {high:{form}}"


def are_numbers(cells: Sequence[str]) -> bool:
    """Check for a column of 12, +0.3, 41.2% and the like; an empty cell or n/a is no objection.

    Examples
    --------
    >>> are_numbers(["+0.3", "41.2%", "n/a", ""]), are_numbers(["100 gold"]), are_numbers([])
    (True, False, False)
    """
    return bool(cells) and all(cell in ("", MISSING) or _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-").rstrip("%").replace(".", "", 1).isdecimal()


def markdown(table: pd.DataFrame) -> str:
    r"""Return a table of strings in Markdown; a bar within a cell is escaped.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"a": ["1|2"], "b": [""]})))
    | a | b |
    |---|---|
    | 1\|2 |  |
    """
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)
