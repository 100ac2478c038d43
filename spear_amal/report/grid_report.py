"""The HTML report of studies of distillation and of mixers: verdicts, tables, figures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import html
from spear_amal.report.figures import distillation
from spear_amal.report.figures.study import gain_plot
from spear_amal.report.figures.style import need_matplotlib, png
from spear_amal.report.grid_tables import (
    Condition,
    conditions,
    kd_table,
    note_of,
    numbers,
    readable_kd,
    verdicts_of,
)
from spear_amal.report.run_report import versions
from spear_amal.report.weight_series import recorded
from spear_amal.report.weights_section import weights_over_training
from spear_amal.studies.grid.weight_histograms import BUCKETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_READ = (
    "Every seed draws the rows, the noise and the networks' first weights anew; teachers, where "
    "there are any, are trained once for all methods of a seed. Validation rows choose the epoch "
    "and drive learnt weights; the test rows are seen by the scorer alone. Scores are in points. "
    "The gain is taken on the same seeds; its 95% interval is a bootstrap over seeds. V - test: "
    "how far the validation score flatters. Last epoch: the score where validation chooses nothing."
)


def write_kd_report(
    path: str | os.PathLike[str],
    runs: pd.DataFrame,
    baseline: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file on the runs of distillation studies.

    Parameters
    ----------
    path : path
    runs : DataFrame
        Rows of :func:`spear_amal.studies.run_grid_study` or of its file.
    baseline : str, optional
        Method that gains are taken over; default "ce", or where it was not run, the first one.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If matplotlib is not installed.
    InputError
        If no run went well.
    """
    refuse_existing(path, overwrite)
    need_matplotlib()
    held = conditions(runs)
    studies = ", ".join(dict.fromkeys(one.study for one in held))
    text = html.page(f"Study: {studies}", _sections(studies, held, baseline))
    with write_aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sections(studies: str, held: list[Condition], baseline: str | None) -> Iterator[str]:
    yield html.heading(f"Study: {studies}", 1)
    yield html.paragraph(_READ)
    shown = list(_shown(overviews(held)))
    if shown:
        yield html.heading("All conditions")
        yield html.figures(shown)
    for condition in held:
        yield html.heading(condition.title)
        yield from (html.paragraph(text) for text in verdicts_of(condition))
        yield html.table(readable_kd(condition, kd_table(condition, baseline)))
        yield from (html.paragraph(text) for text in [note_of(condition)] if text)
        yield html.paragraph(condition.settings)
        yield html.figures(_shown(pictures_of(condition, baseline)))
    yield html.heading("Versions")
    yield html.definition_pairs(versions())


def _shown(pictures: Iterable[Picture]) -> Iterator[str]:
    for one in pictures:
        yield html.figure(png(one.figure), one.title, one.caption)


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
_GAINS = "Points on the same seeds with 95% intervals."
_RELATIVE = (("relative_ce", "labels alone"), ("relative", "the teacher"))
_PANELS = 2  # methods whose weights stand side by side in one figure


@dataclass(frozen=True)
class Picture:
    """A figure with its words.

    Attributes
    ----------
    name : str
        Of a file, without its ending.
    title, caption : str
    figure : Figure
    """

    name: str
    title: str
    caption: str
    figure: Figure


def kd_figures(runs: pd.DataFrame, baseline: str | None = None) -> dict[str, Figure]:
    """Draw every figure that some runs hold, by name.

    Parameters
    ----------
    runs : DataFrame
        Rows of distillation studies.
    baseline : str, optional
        Method that gains are taken over, default "ce".
    """
    held = conditions(runs)
    pictures = [one for condition in held for one in pictures_of(condition, baseline)]
    return {one.name: one.figure for one in [*overviews(held), *pictures]}


def pictures_of(condition: Condition, baseline: str | None = None) -> Iterator[Picture]:
    """Draw what the runs of one condition hold: weights, learning curves, gains, mixers."""
    yield from _weights(condition)
    for kind, title, caption, figure in weights_over_training(recorded(condition.runs)):
        yield _picture(condition, kind, title, caption, figure)
    curves = _lists(condition, "curve")
    if curves:
        every = int(condition.runs["curve_every"].dropna().iloc[0])
        figure = distillation.learning_curves(curves, every)
        yield _picture(condition, "curves", "Test accuracy while students learn", _CURVES, figure)
    table = kd_table(condition, baseline)
    over = table["baseline"].iloc[0]
    frame = table[table.index != over].dropna(subset=["gain"])
    if len(frame):
        frame = frame.assign(method=frame["title"])[["method", "gain", "low", "high"]]
        title = condition.methods[over]
        figure = gain_plot(frame.reset_index(drop=True), title)
        yield _picture(condition, "gains", f"Gain over {title}", _GAINS, figure)


def overviews(held: Sequence[Condition]) -> Iterator[Picture]:
    """Draw what several conditions of one study and corpus show together."""
    groups: dict[tuple[str, str, str], list[Condition]] = {}
    for one in held:
        groups.setdefault((one.study, one.corpus, one.variant), []).append(one)
    for some in (group for group in groups.values() if len(group) > 1):
        frame = _together(some)
        where = _named(some[0].study, some[0].corpus, some[0].variant)
        of = f"{some[0].study}, {some[0].corpus}"
        compressed = _compression(frame, where, of)
        yield from compressed
        if not compressed:
            figure = distillation.by_condition(frame)
            title = f"{of}: test accuracy by condition"
            yield Picture(f"{where}-accuracy", title, _INTERVALS, figure)
        found = frame[frame["auc"].notna()]
        if len(found):
            figure = distillation.by_condition(found, "auc", "AUC, wrong against right labels")
            title = f"{of}: how well weights tell wrong labels"
            yield Picture(f"{where}-auc", title, _INTERVALS, figure)


def _weights(condition: Condition) -> Iterator[Picture]:
    buckets = list(_lists(condition, "buckets").items())
    for i in range(0, len(buckets), _PANELS):
        figure = distillation.bucket_plot(dict(buckets[i : i + _PANELS]), BUCKETS)
        kind = "weights" if i == 0 else f"weights-{i // _PANELS + 1}"
        title = "Weight of the teacher by its confidence"
        yield _picture(condition, kind, title, _BUCKETS, figure)
    differences = _lists(condition, "histogram")
    if differences:
        auc, titles = numbers(condition.runs, "auc"), condition.runs["title"]
        found = {title: list(auc[titles == title]) for title in differences}
        figure = distillation.difference_histogram(differences, found)
        title = "Teacher's weight minus the label's"
        yield _picture(condition, "histogram", title, _HISTOGRAM, figure)


def _compression(frame: pd.DataFrame, where: str, of: str) -> list[Picture]:
    """Accuracy against compression; the student without a teacher is the line at 100%."""
    for column, to in _RELATIVE:
        some = frame[(frame["compression"] > 0) & frame[column].notna()]
        if to == "labels alone":
            some = some[some["code"] != "ce"]
        if some["compression"].nunique() > 1:
            figure = distillation.compression_curve(some, column, to)
            title = f"{of}: accuracy relative to {to} by compression"
            return [Picture(f"{where}-compression", title, _INTERVALS, figure)]
    return []


def _together(some: Sequence[Condition]) -> pd.DataFrame:
    """Put runs of several conditions together, methods in the order of the first that has them."""
    order = dict.fromkeys(title for one in some for title in one.methods.values())
    frame = pd.concat([one.runs.assign(condition=one.name) for one in some])
    frame = frame.assign(code=frame["method"], method=frame["title"])
    for column in ("auc", "compression", *(name for name, _ in _RELATIVE)):
        frame[column] = numbers(frame, column)
    place = {title: i for i, title in enumerate(order)}
    return frame.sort_values("method", key=lambda held: held.map(place), kind="stable")


def _lists(condition: Condition, column: str) -> dict[str, list[Any]]:
    """By title, a field of the runs that hold it."""
    if column not in condition.runs:
        return {}
    found: dict[str, list[Any]] = {title: [] for title in condition.methods.values()}
    for title, value in zip(condition.runs["title"], condition.runs[column], strict=True):
        if isinstance(value, list | dict) and value:
            found[title].append(value)
    return {title: values for title, values in found.items() if values}


def _picture(c: Condition, kind: str, title: str, caption: str, figure: Figure) -> Picture:
    return Picture(f"{_named(c.study, c.corpus, c.name, c.variant)}-{kind}", title, caption, figure)


def _named(*parts: str) -> str:
    """Make a name of a file from words, each of them once.

    Examples
    --------
    >>> _named("kd-synthetic", "kd-synthetic", "noise 0.1", "")
    'kd-synthetic-noise-0.1'
    """
    words = [re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts]
    return "-".join(dict.fromkeys(word for word in words if word))
