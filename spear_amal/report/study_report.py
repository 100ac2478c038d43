"""The HTML report of a study: curves, tables, gains, what tuning chose, settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import html, weights_section
from spear_amal.report.figures.study import budget_curve, gain_plot, overfit_curve
from spear_amal.report.figures.style import need_matplotlib, png
from spear_amal.report.run_report import versions
from spear_amal.report.weight_series import recorded
from spear_amal.studies.curves import LOOK_AHEAD, REFRESH, over_budgets, over_setting
from spear_amal.studies.summary import GROUP, summarise
from spear_amal.studies.verdict import verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        yield from weights_section.section(recorded(some), str(corpus))
    if tuning:
        yield html.heading("What tuning chose")
        yield html.paragraph(
            "Judged on labelled rows that the trial's training did not see; test rows played no "
            "part. The first trial is the method's defaults."
        )
        yield html.table(tuning_table(tuning))
    yield html.heading("Versions")
    yield html.definition_pairs(versions())


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


METRIC_NAMES = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}


def study_tables(
    runs: pd.DataFrame, baseline: str | None = None
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Give the tables of some runs, one for each corpus and setting.

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
    """Turn one table of :func:`spear_amal.studies.summarise` into strings for people."""
    metric, baseline = METRIC_NAMES[table["metric"].iloc[0]], table["baseline"].iloc[0]
    own = list(table.index.get_level_values("method") == baseline)
    shown = pd.DataFrame({"method": list(table["title"])})
    shown[f"test {metric}"] = _numbers(table["score"], "{:.1f}")
    shown["sd"] = _numbers(table["sd"], "{:.1f}")
    bounds = zip(table["low"], table["high"], strict=True)
    against = {
        f"gain over {baseline}": _numbers(table["gain"], "{:+.1f}"),
        "95% interval": [_interval(low, high) for low, high in bounds],
        "wins": _numbers(table["wins"], "{:d}"),
        "losses": _numbers(table["losses"], "{:d}"),
    }
    for name, cells in against.items():
        shown[name] = ["" if mine else cell for mine, cell in zip(own, cells, strict=True)]
    if table["share"].notna().any():
        shown["gap closed"] = _numbers(table["share"], "{:.2f}")
    shown["V - test"] = _numbers(table["optimism"], "{:+.1f}")
    if table["dedup"].notna().any():
        shown["without duplicates"] = _numbers(table["dedup"], "{:.1f}")
    shown["seeds"] = [str(count) for count in table["seeds"]]
    shown["seconds"] = _numbers(table["seconds"], "{:.1f}")
    return shown


def tuning_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make the table of what tuning chose, as strings."""
    return pd.DataFrame(
        [
            {
                "corpus": record["corpus"],
                "method": record["method"],
                "chosen": _pairs(record["chosen"]) or "the defaults",
                "held-out score": _points(record["score"]),
                "of the defaults": _points(record["trials"][0]["value"]),
                "trials": str(len(record["trials"])),
            }
            for record in records
        ]
    )


def markdown(table: pd.DataFrame) -> str:
    r"""Write a table of strings in Markdown; a bar within a cell is escaped.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"a": ["1|2"], "b": [""]})))
    | a | b |
    |---|---|
    | 1\|2 |  |
    """
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def _points(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"


def _numbers(values: pd.Series, form: str) -> list[str]:
    return ["n/a" if value != value else form.format(value) for value in values]


def _interval(low: float, high: float) -> str:
    return "n/a" if low != low else f"{low:+.1f} to {high:+.1f}"


def _pairs(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in options.items()
    )


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
    # setting of the mixer, kind, its name on the axis, what it is
    (REFRESH, "refresh", "epochs_between_refreshes", "how often the weights are fitted to V"),
    (LOOK_AHEAD, "lookahead", "look-ahead_step", "how far AMAL looks ahead"),
)


@dataclass(frozen=True)
class Curve:
    """A figure with its words.

    Attributes
    ----------
    kind : {"budget", "refresh", "lookahead"}
    title, caption : str
    figure : Figure
    """

    kind: str
    title: str
    caption: str
    figure: Figure


def study_curves(runs: pd.DataFrame) -> Iterator[Curve]:
    """Draw every curve that some runs hold; most studies hold none.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`spear_amal.studies.summarise`.

    Yields
    ------
    Curve
        One for each corpus and setting with several label budgets, and one for each with methods
        that differ in AMAL's refresh period only, or in its look-ahead step only.
    """
    for frame in over_budgets(runs):
        title = f"{_where(frame)}: score against the number of gold labels"
        yield Curve("budget", title, _BUDGET, budget_curve(frame, _metric(frame)))
    for setting, kind, axis, words in _SETTINGS:
        for frame in over_setting(runs, setting):
            title = f"{_where(frame)}: {words}"
            named = frame.rename(columns={setting: axis})
            yield Curve(kind, title, _OPTIMISM, overfit_curve(named, axis, _metric(frame)))


def _metric(frame: pd.DataFrame) -> str:
    return METRIC_NAMES[frame["metric"].iloc[0]]


def _where(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    budgets = "" if frame["labels"].nunique() > 1 else f", {first['labels']} labels"
    placebo = ", votes shuffled" if first["config"].get("placebo") else ""
    return f"{first['corpus']}{budgets}{placebo}"
