"""Where in a text stands what a search or an LF looks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spear_amal.workbench.row_query import RowQuery, search_terms
from spear_amal.workbench.snapshot import LFState

_MOST_SPANS = 500  # of one text: more are no help to the eye


def search_spans(text: str, query: RowQuery) -> list[tuple[int, int]]:
    """Return starts and ends of the words of a search, and of what its regex matches.

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
    if query.regex:
        spans += _regex_spans(text, query)
    return spans[:_MOST_SPANS]


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in pattern.finditer(text))


def _regex_spans(text: str, query: RowQuery) -> list[tuple[int, int]]:
    import re2

    options = re2.Options()
    options.case_sensitive, options.log_errors = query.minds_case, False
    return [match.span() for match in re2.compile(query.regex, options).finditer(text)]


def lf_spans(lf: LFState, text: str) -> list[tuple[int, int]]:
    """Return what an LF looks for in a text, where it tells."""
    return []
