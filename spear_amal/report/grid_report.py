"""The HTML report of studies of distillation and of mixers: verdicts, tables, figures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from spear_amal.report.figures import distillation
from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.figures.style import CaptionedFigure
from spear_amal.report.grid_tables import (
    Condition,
    conditions,
    grid_table,
    note_of,
    numbers,
    readable_grid,
    verdicts_of,
)
from spear_amal.report.page import write_page
from spear_amal.report.study_report import gain_figures
from spear_amal.report.weight_series import recorded
from spear_amal.studies.grid.weight_histograms import BUCKETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BUCKETS = (
    "Training rows by the probability that the teacher gives to their label, above their mean "
    "weight of the teacher, below their number. Means over seeds with standard errors."
)
_CURVES = "Accuracy on the test rows, which chooses nothing. Means over seeds with standard errors."
_HISTOGRAM = (
    "Training rows by the weight of the teacher minus that of the label, of all seeds. AUC: how "
    "well the difference tells wrong labels from right ones; mean over seeds."
)
_INTERVALS = "Means over seeds with their 95% intervals (from three seeds on)."
_RELATIVE = {"relative_ce": "labels alone", "relative": "the teacher"}
_PANELS = 2  # methods whose weights stand side by side in one figure


def write_grid_report(
    path: str | os.PathLike[str],
    runs: pd.DataFrame,
    baseline: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file on the runs of studies of distillation or of mixers.

    Parameters
    ----------
    path : path
    runs : DataFrame
        Rows of :func:`spear_amal.studies.distillation.run_grid_study` or of its file.
    baseline : str, optional
        As for :func:`spear_amal.report.grid_tables.grid_table`.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If matplotlib or Jinja2 is not installed.
    InputError
        If no run went well.
    """
    write_page(path, "grid.html", lambda: _context(runs, baseline), overwrite)


def _context(runs: pd.DataFrame, baseline: str | None) -> dict[str, Any]:
    parts = conditions(runs)
    return {
        "title": f"Study: {', '.join(dict.fromkeys(part.study for part in parts))}",
        "overviews": list(overviews(parts)),
        "conditions": [
            (
                part,
                readable_grid(part, grid_table(part, baseline)),
                verdicts_of(part),
                note_of(part),
                list(condition_figures(part, baseline)),
            )
            for part in parts
        ],
    }


def grid_figures(runs: pd.DataFrame, baseline: str | None = None) -> dict[str, Figure]:
    """Draw every figure that some runs hold, by the name of its file.

    Parameters
    ----------
    runs, baseline
        As for :func:`write_grid_report`.
    """
    parts = conditions(runs)
    figures = [*overviews(parts), *(f for part in parts for f in condition_figures(part, baseline))]
    return {captioned.name: captioned.figure for captioned in figures}


def overviews(parts: Sequence[Condition]) -> Iterator[CaptionedFigure]:
    """Draw what several conditions of one study and corpus show together."""
    groups: dict[tuple[str, str, str], list[Condition]] = {}
    for part in parts:
        groups.setdefault((part.study, part.corpus, part.variant), []).append(part)
    for (study, corpus, variant), group in groups.items():
        if len(group) > 1:
            for captioned in _overviews(_side_by_side(group)):
                name = f"{_file_name(study, corpus, variant)}-{captioned.name}"
                yield replace(captioned, name=name, title=f"{study}, {corpus}: {captioned.title}")


def _overviews(frame: pd.DataFrame) -> Iterator[CaptionedFigure]:
    compression = _compression(frame)
    if compression is None:
        accuracy = distillation.by_condition(frame)
        yield CaptionedFigure("test accuracy by condition", _INTERVALS, accuracy, "accuracy")
    else:
        yield compression
    if frame["auc"].notna().any():
        learnt = frame[frame["auc"].notna()]
        auc = distillation.by_condition(learnt, "auc", "AUC, wrong against right labels")
        yield CaptionedFigure("how well weights tell wrong labels", _INTERVALS, auc, "auc")


def _compression(frame: pd.DataFrame) -> CaptionedFigure | None:
    """Draw accuracy against compression; the student without a teacher is the line at 100%."""
    for column, to in _RELATIVE.items():
        rows = frame[(frame["compression"] > 0) & frame[column].notna()]
        if column == "relative_ce":
            rows = rows[rows["code"] != "ce"]
        if rows["compression"].nunique() > 1:
            figure = distillation.compression_curve(rows, column, to)
            title = f"accuracy relative to {to} by compression"
            return CaptionedFigure(title, _INTERVALS, figure, "compression")
    return None


def _side_by_side(group: Sequence[Condition]) -> pd.DataFrame:
    """Merge runs of several conditions, methods in the order of the first that has them."""
    titles = dict.fromkeys(title for part in group for title in part.methods.values())
    places = {title: i for i, title in enumerate(titles)}
    frame = pd.concat([part.runs.assign(condition=part.name) for part in group])
    frame = frame.assign(code=frame["method"], method=frame["title"])
    for column in ("auc", "compression", *_RELATIVE):
        frame[column] = numbers(frame, column)
    return frame.sort_values("method", key=lambda methods: methods.map(places), kind="stable")


def condition_figures(
    condition: Condition, baseline: str | None = None
) -> Iterator[CaptionedFigure]:
    """Draw what the runs of one condition hold: weights, learning curves, gains."""
    prefix = _file_name(condition.study, condition.corpus, condition.name, condition.variant)
    for captioned in (
        *_teacher_weights(condition),
        *weights_over_training(recorded(condition.runs)),
        *_learning_curves(condition),
        *gain_figures(grid_table(condition, baseline)),
    ):
        yield replace(captioned, name=f"{prefix}-{captioned.name}")


def _teacher_weights(condition: Condition) -> Iterator[CaptionedFigure]:
    buckets = list(_field(condition, "buckets").items())
    for i in range(0, len(buckets), _PANELS):
        figure = distillation.bucket_plot(dict(buckets[i : i + _PANELS]), BUCKETS)
        name = f"weights-{i // _PANELS + 1}" if i else "weights"
        yield CaptionedFigure("Weight of the teacher by its confidence", _BUCKETS, figure, name)
    histograms = _field(condition, "histogram")
    if histograms:
        auc, titles = numbers(condition.runs, "auc"), condition.runs["title"]
        by_title = {title: list(auc[titles == title]) for title in histograms}
        figure = distillation.difference_histogram(histograms, by_title)
        title = "Teacher's weight minus the label's"
        yield CaptionedFigure(title, _HISTOGRAM, figure, "histogram")


def _learning_curves(condition: Condition) -> Iterator[CaptionedFigure]:
    curves = _field(condition, "curve")
    if curves:
        every = int(condition.runs["curve_every"].dropna().iloc[0])
        figure = distillation.learning_curves(curves, every)
        yield CaptionedFigure("Test accuracy while students learn", _CURVES, figure, "curves")


def _field(condition: Condition, column: str) -> dict[str, list[Any]]:
    """Return, by title, a field of the runs that hold it."""
    if column not in condition.runs:
        return {}
    values: dict[str, list[Any]] = {title: [] for title in condition.methods.values()}
    for title, value in zip(condition.runs["title"], condition.runs[column], strict=True):
        if isinstance(value, list | dict) and value:
            values[title].append(value)
    return {title: of_title for title, of_title in values.items() if of_title}


def _file_name(*parts: str) -> str:
    """Return a name of a file from words, each of them once.

    Examples
    --------
    >>> _file_name("kd-synthetic", "kd-synthetic", "noise 0.1", "")
    'kd-synthetic-noise-0.1'
    """
    words = [re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts]
    return "-".join(dict.fromkeys(word for word in words if word))
