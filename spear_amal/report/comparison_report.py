"""The HTML page of a comparison on a user's own table: the verdict, scores, gains, classes."""

from __future__ import annotations

import os
from typing import Any

from spear_amal.report.outcome_parts import estimate_parts, outcome_parts
from spear_amal.report.page import now, write_page
from spear_amal.report.run_content import ComparisonContent


def write_comparison_report(
    path: str | os.PathLike[str], content: ComparisonContent, overwrite: bool = False
) -> None:
    """Write one self-contained HTML file: figures, styles and all.

    Parameters
    ----------
    path : path
    content : ComparisonContent
        Parts that it does not have are left out.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    write_page(path, "comparison.html", lambda: _context(content), overwrite)


def _context(content: ComparisonContent) -> dict[str, Any]:
    from spear_amal.report.charts import comparison

    label = f"{content.estimate.metric}, points"
    by_draw, by_labels = content.by_draw, content.by_labels
    return {
        "title": content.title,
        "date": now(),
        "content": content,
        "estimate": estimate_parts(content.estimate),
        "spread": None if by_draw is None else comparison.spread(by_draw, label),
        "by_labels": None if by_labels is None else comparison.label_curve(by_labels, label),
        "outcomes": [
            parts
            for outcome in content.outcomes
            if (parts := outcome_parts(outcome, content.class_names)) is not None
        ],
    }
