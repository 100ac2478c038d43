"""The HTML page of scores against the number of labels: what to do next, curves, gains."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from spear_amal.report.page import now, write_page


@dataclass(frozen=True)
class CrossoverContent:
    """Everything that the page shows.

    Attributes
    ----------
    title : str
    verdict : str
        What to do next, in one sentence.
    sentences : sequence of str
        Where plain supervision catches up, what the rules are worth.
    table : DataFrame
        One row for each number of labels, as strings, as the terminal shows it.
    curves : DataFrame
        ``method, labels, score, low, high`` (points) and ``measured``.
    points : DataFrame
        ``method, labels, score`` (points) that were measured.
    gains : DataFrame
        ``labels, gain, low, high``, in points.
    metric : str
        Name of the score.
    notes : sequence of str
    settings : dict
    """

    title: str
    verdict: str
    sentences: Sequence[str]
    table: pd.DataFrame
    curves: pd.DataFrame
    points: pd.DataFrame
    gains: pd.DataFrame
    metric: str
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_crossover_report(
    path: str | os.PathLike[str], content: CrossoverContent, overwrite: bool = False
) -> None:
    """Write one self-contained HTML file: figures, styles and all.

    Parameters
    ----------
    path : path
    content : CrossoverContent
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    write_page(path, "crossover.html", lambda: _context(content), overwrite)


def _context(content: CrossoverContent) -> dict[str, Any]:
    from spear_amal.report.charts import label_curves

    label = f"{content.metric}, points"
    return {
        "title": content.title,
        "date": now(),
        "content": content,
        "curves": label_curves.fitted_curves(content.curves, content.points, label),
        "gains": label_curves.gain_by_labels(content.gains),
    }
