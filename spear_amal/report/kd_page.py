"""The HTML report of studies of distillation and of mixers: verdicts, tables, figures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pandas as pd

from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import html
from spear_amal.report.canvas import need_matplotlib, png
from spear_amal.report.kd_figures import Picture, overviews, pictures_of
from spear_amal.report.kd_rows import Condition, conditions
from spear_amal.report.kd_tables import kd_table, readable_kd
from spear_amal.report.mixing_verdicts import note_of, verdicts_of
from spear_amal.report.page import versions

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
        Rows of :func:`spear_amal.studies.kd.run_kd_study` or of its file.
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
    yield html.pairs(versions())


def _shown(pictures: Iterable[Picture]) -> Iterator[str]:
    for one in pictures:
        yield html.figure(png(one.figure), one.title, one.caption)
