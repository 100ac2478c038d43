"""Numbers and tables as text, the same on pages, on the terminal and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from spear_amal.printable import on_one_line

METRIC_NAMES = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}
MISSING = "n/a"
_MARKUP = re.compile(r"[\\`*\[\]<|~&]|(?<!\w)_|_(?!\w)")


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
    r"""Return a table of strings in Markdown; what would be markup within a cell is escaped.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"a": ["1|2"], "b": ["<i>"]})))
    | a | b |
    |---|---|
    | 1\|2 | \<i> |
    """
    rows = [table.columns, *table.itertuples(index=False)]
    head, *lines = [f"| {' | '.join(escape_markdown(str(cell)) for cell in row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(table.columns), *lines])


def escape_markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    Underscores within words stay: they are no markup there.

    Examples
    --------
    >>> print(escape_markdown("a*b [c](d) max_epochs _e_"))
    a\*b \[c\](d) max_epochs \_e\_
    """
    return _MARKUP.sub(r"\\\g<0>", on_one_line(text))
