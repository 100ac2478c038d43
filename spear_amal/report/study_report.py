"""The HTML report of a study: curves, tables, gains, what tuning chose; and its tables as text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.figures.study import budget_curve, gain_plot, overfit_curve
from spear_amal.report.figures.style import CaptionedFigure
from spear_amal.report.formatting import METRIC_NAMES, MISSING, format_interval, format_numbers
from spear_amal.report.page import write_page
from spear_amal.report.weight_series import recorded
from spear_amal.studies.curves import LOOK_AHEAD, REFRESH, over_budgets, over_setting
from spear_amal.studies.summary import GROUP, summarise
from spear_amal.studies.verdict import verdicts

_BANDS = "means over seeds with their 95% intervals (from three seeds on)"
_BUDGET = (
    "V has as many gold rows as L. AMAL learns from both, so its fair rival without rules is the "
    f"classifier on L+V. Lines and bands: {_BANDS}."
)
_OPTIMISM = (
    "The shaded gap is optimism: how far the score on V flatters, as V drove the weights, chose "
    f"the epoch, or both. Dots and bars: {_BANDS}."
)
_SETTINGS = (
    # setting of the mixer, name of the figure, its name on the axis, what it is
    (REFRESH, "refresh", "epochs_between_refreshes", "how often the weights are fitted to V"),
    (LOOK_AHEAD, "lookahead", "look-ahead_step", "how far AMAL looks ahead"),
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
        If matplotlib or Jinja2 is not installed.
    """
    write_page(path, "study.html", lambda: _context(runs, tuning, baseline), overwrite)


def _context(
    runs: pd.DataFrame, tuning: Sequence[dict[str, Any]], baseline: str | None
) -> dict[str, Any]:
    by_corpus = {str(corpus): rows for corpus, rows in runs.groupby("corpus", sort=False)}
    return {
        "title": f"Study: {', '.join(by_corpus)}",
        "verdicts": [verdict.text for verdict in verdicts(runs)],
        "curves": list(study_curves(runs)),
        "tables": [
            (title, readable_summary(table), settings, gain_figures(table))
            for title, settings, table in study_tables(runs, baseline)
        ],
        "weights": {
            corpus: list(weights_over_training(recorded(rows)))
            for corpus, rows in by_corpus.items()
        },
        "tuning": tuning_table(tuning),
    }


def study_tables(
    runs: pd.DataFrame, baseline: str | None = None
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Compute the tables of some runs, one for each corpus and setting.

    Parameters
    ----------
    runs : DataFrame
    baseline : str, optional
        As for :func:`spear_amal.studies.summarise`.

    Yields
    ------
    str
        Title: corpus, labels, features, protocol.
    str
        What else was set: votes, settings, data, version.
    DataFrame
        One table of :func:`spear_amal.studies.summarise`; see :func:`readable_summary`.
    """
    for key, table in summarise(runs, baseline).groupby(level=list(GROUP), sort=False):
        corpus, features, protocol, labels, study = key
        # Where V is of another size than L, the settings say so.
        as_many = "" if "validation rows" in str(study) else " and as many validation rows"
        title = f"{corpus}: {labels} labels{as_many}, {features}, {protocol} L"
        yield title, str(study), table


def readable_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one table of :func:`spear_amal.studies.summarise` as strings."""
    baseline = table["baseline"].iloc[0]
    bounds = zip(table["low"], table["high"], strict=True)
    gains = pd.DataFrame(
        {
            f"gain over {baseline}": format_numbers(table["gain"], "{:+.1f}"),
            "95% interval": [format_interval(low, high) for low, high in bounds],
            "wins": format_numbers(table["wins"], "{:d}"),
            "losses": format_numbers(table["losses"], "{:d}"),
        },
        dtype=object,
    )
    gains[table.index.get_level_values("method") == baseline] = ""
    columns = {
        "method": list(table["title"]),
        f"test {METRIC_NAMES[table['metric'].iloc[0]]}": format_numbers(table["score"], "{:.1f}"),
        "sd": format_numbers(table["sd"], "{:.1f}"),
        **gains,
    }
    if table["share"].notna().any():
        columns["gap closed"] = format_numbers(table["share"], "{:.2f}")
    columns["V - test"] = format_numbers(table["optimism"], "{:+.1f}")
    if table["dedup"].notna().any():
        columns["without duplicates"] = format_numbers(table["dedup"], "{:.1f}")
    columns["seeds"] = [str(count) for count in table["seeds"]]
    columns["seconds"] = format_numbers(table["seconds"], "{:.1f}")
    return pd.DataFrame(columns)


def tuning_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make the table of what tuning chose, as strings."""
    return pd.DataFrame(
        {
            "corpus": record["corpus"],
            "method": record["method"],
            "chosen": _options(record["chosen"]) or "the defaults",
            "held-out score": _points(record["score"]),
            "of the defaults": _points(record["trials"][0]["value"]),
            "trials": str(len(record["trials"])),
        }
        for record in records
    )


def _points(score: float | None) -> str:
    return MISSING if score is None else f"{100 * score:.1f}"


def _options(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in options.items()
    )


def gain_figures(table: pd.DataFrame) -> list[CaptionedFigure]:
    """Draw the gains of one table over its baseline; none where there are none.

    Parameters
    ----------
    table : DataFrame
        Indexed by method (the last level), as :func:`spear_amal.studies.summarise` makes it.
    """
    methods, baseline = table.index.get_level_values("method"), table["baseline"].iloc[0]
    title = str(table["title"][methods == baseline].iloc[0])
    gains = table[methods != baseline].dropna(subset=["gain"])
    if gains.empty:
        return []
    frame = gains[["gain", "low", "high"]].assign(method=gains["title"]).reset_index(drop=True)
    caption = "Points on the same seeds with 95% intervals."
    return [CaptionedFigure(f"Gain over {title}", caption, gain_plot(frame, title), "gains")]


def study_curves(runs: pd.DataFrame) -> Iterator[CaptionedFigure]:
    """Draw every curve that some runs hold; most studies hold none.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`spear_amal.studies.summarise`.

    Yields
    ------
    CaptionedFigure
        "budget" for each corpus and setting with several label budgets; "refresh" and "lookahead"
        for each with methods that differ in AMAL's refresh period only, or in its look-ahead step
        only.
    """
    for frame in over_budgets(runs):
        title = f"{_where(frame)}: score against the number of gold labels"
        yield CaptionedFigure(title, _BUDGET, budget_curve(frame, _metric(frame)), "budget")
    for setting, name, axis, words in _SETTINGS:
        for frame in over_setting(runs, setting):
            figure = overfit_curve(frame.rename(columns={setting: axis}), axis, _metric(frame))
            yield CaptionedFigure(f"{_where(frame)}: {words}", _OPTIMISM, figure, name)


def _metric(frame: pd.DataFrame) -> str:
    return METRIC_NAMES[frame["metric"].iloc[0]]


def _where(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    budgets = "" if frame["labels"].nunique() > 1 else f", {first['labels']} labels"
    placebo = ", votes shuffled" if first["config"].get("placebo") else ""
    return f"{first['corpus']}{budgets}{placebo}"
