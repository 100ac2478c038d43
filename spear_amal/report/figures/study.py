"""Figures of studies: who gains how much, with how many labels, and what learning from V costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    line_style,
    new_figure,
    tick_name,
)
from spear_amal.studies.weight_quality import rank_auc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RIGHT, _WRONG = COLOURS[0], COLOURS[1]
_BINS = 10
_MARKERS = "osD^vPX"
_ROOM = 0.07  # of the axis, for the number at a tick
_ASIDE = 0.04  # of the way to the next setting, so that error bars do not hide each other
# Colour and shape both say on which side of zero an interval lies.
_METHOD_LENGTH = 52
_GAINS = {"above zero": (COLOURS[0], "o"), "zero within": (FAINT, "s"), "below zero": (STRONG, "X")}


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
    rows = (len(losses) + 1) // 2
    figure, axes = new_figure(0.5 + 2.8 * rows, rows, min(2, len(losses)))
    held = [*weights_right.values(), *weights_wrong.values()]
    top = max((float(values.max()) for values in held if len(values)), default=1.0)
    for ax, loss in zip(axes, losses, strict=False):
        _two_histograms(ax, loss, (weights_right[loss], weights_wrong[loss]), names, max(1.0, top))
    for ax in axes[len(losses) :]:
        ax.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    labels = [f"{of} {name}" for name in labels]
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def _two_histograms(
    ax: Axes,
    loss: str,
    weights: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str],
    top: float,
) -> None:
    edges = np.linspace(0, top, _BINS + 1)
    width = (edges[1] - edges[0]) * 0.42
    looks = ((-0.5, _RIGHT, ""), (0.5, _WRONG, "////"))
    title = [f"{tick_name(loss)}: AUC {_or_none(rank_auc(*weights))}"]
    for values, name, (side, colour, hatch) in zip(weights, names, looks, strict=True):
        shares = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        middles = (edges[:-1] + edges[1:]) / 2 + side * width
        ax.bar(middles, shares, width, color=colour, hatch=hatch, edgecolor="white", label=name)
        title.append(f"{name}: mean {_mean(values)}, {len(values)} rows")
    ax.set_title("\n".join(title), fontsize=9, loc="left", color=INK)
    ax.set_xlabel("learnt weight", fontsize=9)
    ax.set_ylabel("% of rows", fontsize=9)


def _mean(values: np.ndarray) -> str:
    return _or_none(float(values.mean()) if len(values) else float("nan"))


def _or_none(value: float) -> str:
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
    _need(frame, ("labels", "method", "seed", "score"))
    figure, (ax,) = new_figure(4.0)
    for i, (method, runs) in enumerate(frame.groupby("method", sort=False)):
        means = over_seeds(runs, "labels", "score")
        ax.fill_between(means.index, means["low"], means["high"], color=COLOURS[i % 7], alpha=0.15)
        style = line_style(i)
        label = tick_name(method)
        marker = _MARKERS[i % len(_MARKERS)]
        ax.plot(means.index, means["mean"], marker=marker, markersize=5, label=label, **style)
    ax.set_xscale("log")
    budgets = np.unique(frame["labels"])
    ax.set_xticks(budgets, _with_room(budgets))
    ax.set_xticks([], minor=True)
    ax.set_xlabel("gold labels (log scale)", fontsize=9)
    ax.set_ylabel(f"test {metric}, points", fontsize=9)
    ax.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def _with_room(budgets: np.ndarray) -> list[str]:
    """Names of ticks on a logarithmic axis; none where the last one stands too near."""
    names, last = [], -np.inf
    room = _ROOM * np.log(budgets[-1] / budgets[0])
    for value in np.log(budgets):
        named = value - last >= room
        names.append(f"{np.exp(value):.4g}" if named else "")
        last = value if named else last
    return names


def overfit_curve(frame: pd.DataFrame, knob: str, metric: str = "score") -> Figure:
    """Draw validation and test scores of the same runs against a setting, the gap shaded.

    Parameters
    ----------
    frame : DataFrame
        One row a run: the setting in the column `knob`, ``method, seed, score`` (test) and
        ``val_score``, both 0 to 1. Settings stand at even distances; infinity is called "never".
    knob : str
        Name of the column; the axis says it with blanks for underscores.
    metric : str
        Name of the score for the axis.
    """
    _need(frame, (knob, "method", "seed", "score", "val_score"))
    groups = list(frame.groupby("method", sort=False))
    columns = min(2, len(groups))
    rows = -(-len(groups) // 2)
    figure, axes = new_figure(0.6 + 2.9 * rows, rows, columns)
    settings = np.unique(frame[knob])
    for i, (ax, (method, runs)) in enumerate(zip(axes, groups, strict=False)):
        if i:
            ax.sharey(axes[0])
        _gap(ax, runs, knob, settings)
        ax.set_title(tick_name(method), fontsize=10, loc="left", color=INK)
        ax.set_xlabel(knob.replace("_", " "), fontsize=9)
        if i % columns == 0:
            ax.set_ylabel(f"{metric}, points", fontsize=9)
    for ax in axes[len(groups) :]:
        ax.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def _gap(ax: Axes, runs: pd.DataFrame, knob: str, settings: np.ndarray) -> None:
    test, validation = (over_seeds(runs, knob, name) for name in ("score", "val_score"))
    place = np.searchsorted(settings, test.index)
    ax.fill_between(
        place, test["mean"], validation["mean"], color=COLOURS[1], alpha=0.25, label="optimism"
    )
    for i, (means, label) in enumerate(((test, "test"), (validation, "validation"))):
        ax.plot(place, means["mean"], marker="o", markersize=4, label=label, **line_style(i))
        aside = place + (2 * i - 1) * _ASIDE
        ax.vlines(aside, means["low"], means["high"], color=COLOURS[i], linewidth=1)
    names = ["never" if np.isinf(value) else f"{value:g}" for value in settings]
    ax.set_xticks(np.arange(len(settings)), names)
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
    _need(frame, ("method", "gain", "low", "high"))
    rows = frame.sort_values("gain", ascending=False, kind="stable")
    rows = rows.rename(columns={"method": "name", "gain": "value"})
    rows["kind"] = np.select(
        [rows["low"] > 0, rows["high"] < 0], ["above zero", "below zero"], "zero within"
    )
    figure, (ax,) = new_figure(1.3 + ROW * len(rows))
    ax.axvline(0, color=INK, linewidth=1, zorder=1)
    # A method and its refit differ at the end of their names, so these are not cut short.
    dot_lines(ax, rows, _GAINS, _METHOD_LENGTH)
    ax.set_xlabel(f"gain over {tick_name(baseline)}, points, with 95% interval", fontsize=9)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def _need(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(f"the frame lacks the columns {missing}; found {list(frame)}")
    if frame.empty:
        raise InputError("the frame has no rows: there is nothing to draw")
