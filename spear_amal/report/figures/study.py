"""Figures of studies: who gains how much, with how many labels, and what learning from V costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.confidence import over_seeds
from spear_amal.report.figures.style import (
    COLOURS,
    FAINT,
    INK,
    ROW,
    STRONG,
    dot_lines,
    legend,
    line_style,
    marker,
    name_axes,
    new_figure,
    panel_grid,
    panel_title,
    require_drawable,
    tick_name,
    wrapped,
)
from spear_amal.studies.weight_quality import rank_auc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 10
_ROOM = 0.07  # of the axis, for the number at a tick
_ASIDE = 0.04  # of the way to the next setting, so that error bars do not hide each other
_METHOD_LENGTH = 52
# Colour and shape both say on which side of zero an interval lies.
_GAINS = {"above zero": (COLOURS[0], "o"), "zero within": (FAINT, "s"), "below zero": (STRONG, "X")}
_SIDES = ((-0.5, COLOURS[0], ""), (0.5, COLOURS[1], "////"))  # of a bin: place, colour, hatch


def weights_by_correctness(
    weights_right: Mapping[str, np.ndarray],
    weights_wrong: Mapping[str, np.ndarray],
    names: tuple[str, str] = ("right", "wrong"),
    of: str = "pseudo-label",
) -> Figure:
    """Draw histograms of learnt weights on rows whose pseudo-label is right, and is wrong.

    Parameters
    ----------
    weights_right, weights_wrong : dict of str to ndarray
        Weights by loss, as :func:`spear_amal.studies.weight_quality.split_weights` makes them.
        Each histogram is in percent of its own rows; titles hold the means and the AUC of the
        separation.
    names : (str, str)
        What the two kinds of rows are.
    of : str
        Of what they are it, for the legend.
    """
    losses = list(weights_right)
    if not losses or losses != list(weights_wrong):
        raise InputError(
            f"right and wrong rows need weights of the same losses, found {losses} and "
            f"{list(weights_wrong)}"
        )
    figure, axes = panel_grid(len(losses), 2.8, 0.5)
    weights = [*weights_right.values(), *weights_wrong.values()]
    top = max(float(values.max(initial=1.0)) for values in weights)
    edges = np.linspace(0, top, _BINS + 1)
    width = (edges[1] - edges[0]) * 0.42
    for ax, loss in zip(axes, losses, strict=True):
        kinds = (weights_right[loss], weights_wrong[loss])
        title = [f"{tick_name(loss)}: AUC {_hundredths(rank_auc(*kinds))}"]
        for values, name, (side, colour, hatch) in zip(kinds, names, _SIDES, strict=True):
            shares = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
            middles = (edges[:-1] + edges[1:]) / 2 + side * width
            look: Any = {"color": colour, "hatch": hatch, "edgecolor": "white"}
            ax.bar(middles, shares, width, label=f"{of} {name}", **look)
            mean = float(values.mean()) if len(values) else float("nan")
            title.append(f"{name}: mean {_hundredths(mean)}, {len(values)} rows")
        ax.set_title("\n".join(title), fontsize=9, loc="left", color=INK)
        name_axes(ax, "learnt weight", "% of rows")
    legend(figure, axes, 2)
    return figure


def _hundredths(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:.2f}"


def budget_curve(frame: pd.DataFrame, metric: str = "score") -> Figure:
    """Draw test scores against the number of gold labels, one line a method.

    Parameters
    ----------
    frame : DataFrame
        One row a run: ``labels`` (above 0), ``method, seed, score`` (0 to 1). Lines are means over
        seeds, bands their 95% intervals (Student's t; none for fewer than three seeds).
    metric : str
        Name of the score for the axis.
    """
    require_drawable(frame, "labels", "method", "seed", "score")
    figure, (ax,) = new_figure(4.0)
    for i, (method, runs) in enumerate(frame.groupby("method", sort=False)):
        means, style = over_seeds(runs, "labels", "score"), line_style(i)
        ax.fill_between(means.index, means["low"], means["high"], color=style["color"], alpha=0.15)
        look = {"marker": marker(i), "markersize": 5, **style}
        ax.plot(means.index, means["mean"], label=wrapped(method), **look)
    ax.set_xscale("log")
    budgets = np.unique(frame["labels"])
    ax.set_xticks(budgets, _with_room(budgets))
    ax.set_xticks([], minor=True)
    name_axes(ax, "gold labels (log scale)", f"test {metric}, points")
    ax.grid(alpha=0.3)
    legend(figure, [ax], 2)
    return figure


def _with_room(budgets: np.ndarray) -> list[str]:
    """Return names of ticks on a logarithmic axis; none where the last one stands too near."""
    names, last = [], -np.inf
    room = _ROOM * np.log(budgets[-1] / budgets[0])
    for value in np.log(budgets):
        named = value - last >= room
        names.append(f"{np.exp(value):.4g}" if named else "")
        last = value if named else last
    return names


def overfit_curve(frame: pd.DataFrame, setting: str, metric: str = "score") -> Figure:
    """Draw validation and test scores of the same runs against a setting, the gap shaded.

    Parameters
    ----------
    frame : DataFrame
        One row a run: the setting in a column of its name, ``method, seed, score`` (test) and
        ``val_score``, both 0 to 1. Values stand at even distances; infinity is called "never".
    setting : str
        Name of the column; the axis says it with blanks for underscores.
    metric : str
        Name of the score for the axis.
    """
    require_drawable(frame, setting, "method", "seed", "val_score", "score")
    groups = list(frame.groupby("method", sort=False))
    figure, axes = panel_grid(len(groups), 2.9, 0.6)
    values = np.unique(frame[setting])
    for i, (ax, (method, runs)) in enumerate(zip(axes, groups, strict=True)):
        if i:
            ax.sharey(axes[0])
        _gap(ax, runs, setting, values)
        panel_title(ax, method)
        name_axes(ax, setting.replace("_", " "), "" if i % 2 else f"{metric}, points")
    legend(figure, axes)
    return figure


def _gap(ax: Axes, runs: pd.DataFrame, setting: str, values: np.ndarray) -> None:
    test, validation = (over_seeds(runs, setting, name) for name in ("score", "val_score"))
    place = np.searchsorted(values, test.index)
    ax.fill_between(
        place, test["mean"], validation["mean"], color=COLOURS[1], alpha=0.25, label="optimism"
    )
    for i, (means, label) in enumerate(((test, "test"), (validation, "validation"))):
        ax.plot(place, means["mean"], marker="o", markersize=4, label=label, **line_style(i))
        aside = place + (2 * i - 1) * _ASIDE
        ax.vlines(aside, means["low"], means["high"], color=COLOURS[i], linewidth=1)
    names = ["never" if np.isinf(value) else f"{value:g}" for value in values]
    ax.set_xticks(np.arange(len(values)), names)
    ax.grid(alpha=0.3)


def gain_plot(frame: pd.DataFrame, baseline: str = "the baseline") -> Figure:
    """Draw mean gains over a baseline with their intervals, the largest on top.

    Parameters
    ----------
    frame : DataFrame
        ``method, gain, low, high``, in points; NaN bounds (one seed) draw a dot alone.
    baseline : str
        Its name for the axis.
    """
    require_drawable(frame, "method", "low", "high", "gain")
    rows = frame.sort_values("gain", ascending=False, kind="stable")
    rows = rows.rename(columns={"method": "name", "gain": "value"})
    rows["kind"] = np.select(
        [rows["low"] > 0, rows["high"] < 0], ["above zero", "below zero"], "zero within"
    )
    figure, (ax,) = new_figure(1.3 + ROW * len(rows))
    ax.axvline(0, color=INK, linewidth=1, zorder=1)
    # A method and its refit differ at the end of their names, so these are not cut short.
    dot_lines(ax, rows, _GAINS, _METHOD_LENGTH)
    name_axes(ax, f"gain over {tick_name(baseline)}, points, with 95% interval")
    legend(figure, [ax])
    return figure
