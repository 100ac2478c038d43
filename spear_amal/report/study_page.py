"""The HTML report of a study: curves, tables, gains, what tuning chose, settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import html, mixer_section
from spear_amal.report.canvas import need_matplotlib, png
from spear_amal.report.figures_study import gain_plot
from spear_amal.report.page import versions
from spear_amal.report.study_curves import study_curves
from spear_amal.report.study_tables import readable_summary, study_tables, tuning_table
from spear_amal.report.weight_series import recorded
from spear_amal.studies.verdict import verdicts

_READ = (
    "Every seed is a new partition of the pool into labelled, unlabelled and validation rows; the "
    "test rows stay the same and only the scorer opens them. Scores are in points. The gain is "
    "taken on the same seeds; its 95% interval is a bootstrap over seeds. Gap closed: 0 is Only-L, "
    "1 a classifier with gold for every training row. V - test: how far the validation score "
    "flatters. AMAL learns from the validation labels, so its fair rival is a classifier on L+V."
)


def write_study_report(
    path: str | os.PathLike[str],
    runs: pd.DataFrame,
    tuning: Sequence[dict[str, Any]] = (),
    baseline: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file on the runs of a study.

    Parameters
    ----------
    path : path
    runs : DataFrame
        As for :func:`spear_amal.studies.summarise`.
    tuning : sequence of dict
        Tuning records of the study file.
    baseline : str, optional
        As for :func:`spear_amal.studies.summarise`.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If matplotlib is not installed.
    """
    refuse_existing(path, overwrite)
    need_matplotlib()
    corpora = ", ".join(dict.fromkeys(runs["corpus"]))
    text = html.page(f"Study: {corpora}", _sections(corpora, runs, tuning, baseline))
    with write_aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sections(
    corpora: str, runs: pd.DataFrame, tuning: Sequence[dict[str, Any]], baseline: str | None
) -> Iterator[str]:
    yield html.heading(f"Study: {corpora}", 1)
    yield from (html.paragraph(verdict.text) for verdict in verdicts(runs))
    yield html.paragraph(_READ)
    yield from _curves(runs)
    for title, study, table in study_tables(runs, baseline):
        yield html.heading(title)
        yield html.table(readable_summary(table))
        yield html.paragraph(study)
        yield from _gains(table)
    for corpus, some in runs.groupby("corpus", sort=False):
        yield from mixer_section.section(recorded(some), str(corpus))
    if tuning:
        yield html.heading("What tuning chose")
        yield html.paragraph(
            "Judged on labelled rows that the trial's training did not see; test rows played no "
            "part. The first trial is the method's defaults."
        )
        yield html.table(tuning_table(tuning))
    yield html.heading("Versions")
    yield html.pairs(versions())


def _curves(runs: pd.DataFrame) -> Iterator[str]:
    made = [
        html.figure(png(curve.figure), curve.title, curve.caption) for curve in study_curves(runs)
    ]
    if made:
        yield html.heading("When it helps")
        yield html.figures(made)


def _gains(table: pd.DataFrame) -> Iterator[str]:
    baseline = table["baseline"].iloc[0]
    others = table[table.index.get_level_values("method") != baseline].dropna(subset=["gain"])
    frame = others.assign(method=others["title"])[["method", "gain", "low", "high"]]
    if len(frame):
        caption = "Points on the same seeds with 95% intervals."
        image = png(gain_plot(frame.reset_index(drop=True), baseline))
        yield html.figures([html.figure(image, f"Gain over {baseline}", caption)])
