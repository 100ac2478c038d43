"""The curves that the runs of a study hold: over label budgets, and over settings of AMAL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from spear_amal.report.figures_study import budget_curve, overfit_curve
from spear_amal.report.study_tables import METRIC_NAMES
from spear_amal.studies.curves import over_budgets, over_setting
from spear_amal.studies.sweeps import LOOK_AHEAD, REFRESH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
