"""Texts of rows, and where in them stand the words of a search."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spear_amal.workbench.row_query import RowQuery, search_terms
from spear_amal.workbench.snapshot import Snapshot

_MOST_SPANS = 500  # of one text: more are no help to the eye


def search_spans(text: str, query: RowQuery) -> list[tuple[int, int]]:
    """Return starts and ends of the words of a search.

    Examples
    --------
    >>> search_spans("A free prize, FREE", RowQuery(words="free"))
    [(2, 6), (14, 18)]
    """
    spans: list[tuple[int, int]] = []
    lowered = text.lower()
    for term in search_terms(query.words):
        if term.is_excluded:
            continue
        # A few letters become two in lower case: then places are looked for in the text itself.
        same = len(lowered) == len(text)
        pattern = term.pattern if same else re.compile(term.pattern.pattern, re.IGNORECASE)
        spans += _spans(pattern, lowered if same else text)
    return spans[:_MOST_SPANS]


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in pattern.finditer(text))


def row_text(snapshot: Snapshot, row: int) -> str:
    """Return the text of a row, "" where there is none."""
    text: object = snapshot.texts[row]
    return text if isinstance(text, str) else ""
