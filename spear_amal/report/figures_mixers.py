"""Figures of mixers: weights over training by loss, and by row; paths of a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.canvas import COLOURS, FAINT, line_style, tick_name
from spear_amal.report.figures_study import weights_by_correctness
from spear_amal.report.figures_training import weight_histograms
from spear_amal.report.means import over_seeds
from spear_amal.report.panels import one_legend, panels, same_axes, weight_axis, whole_numbers
from spear_amal.report.weight_series import Run, loss_series, runs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GOALS = ((0, (1, 1.5)), "--", "-.")  # dashes


def loss_weights(held: Mapping[str, Run | Sequence[Run]]) -> Figure:
    """Draw the mean weight of every loss over epochs, one panel a mixer, all on the same axes.

    Parameters
    ----------
    held : mapping of str to run, or to sequence of runs
        By the mixer's title, what :func:`spear_amal.report.weight_series.loss_series` reads:
        histories of models, rows of a study, or values by loss. Lines are means over the runs that
        still train, as long as half of them do; bands are 95% intervals (Student's t; from three
        runs on). Mixers that recorded no weights are left out. If a weight is above 4, the axis is
        logarithmic from 1 on.

    Raises
    ------
    InputError
        If nothing was recorded.
    """
    frames = {
        title: _means([loss_series(run) for run in runs_of(of)]) for title, of in held.items()
    }
    frames = {title: frame for title, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError("no run recorded weights by epoch: there is nothing to draw")
    names = list(dict.fromkeys(name for frame in frames.values() for name in frame["name"]))
    figure, axes = panels(list(frames), 2.0)
    for ax, frame in zip(axes, frames.values(), strict=True):
        for i, name in enumerate(names):
            _line(ax, frame[frame["name"] == name], i)
    same_axes(figure, axes, "epoch", "mean weight")
    whole_numbers(axes)
    weight_axis(axes, max(float(frame["high"].max()) for frame in frames.values()))
    one_legend(figure, axes)
    return figure


def _means(runs: Sequence[Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Columns ``name, epoch`` (from 1), ``mean, low, high`` over runs, names in order."""
    parts = [
        pd.DataFrame({"name": name, "epoch": np.arange(1, len(values) + 1), "weight": values})
        for run in runs
        for name, values in run.items()
    ]
    if not parts:
        return pd.DataFrame()
    values = pd.concat(parts, ignore_index=True)
    counts = values.groupby(["name", "epoch"])["weight"].transform("size")
    values = values[2 * counts >= len(runs)]
    means = over_seeds(values, ["name", "epoch"], "weight", scale=1.0, most=np.inf).reset_index()
    order = {name: i for i, name in enumerate(values["name"].unique())}
    return means.sort_values("name", key=lambda names: names.map(order), kind="stable")


def _line(ax: Axes, means: pd.DataFrame, i: int) -> None:
    """One line with its band; a single epoch is a dot."""
    if not len(means):
        return
    x, style = means["epoch"], line_style(i)
    ax.fill_between(x, means["low"], means["high"], color=style["color"], alpha=0.18, linewidth=0)
    marker = "o" if len(means) == 1 else None
    label = tick_name(means["name"].iloc[0])
    ax.plot(x, means["mean"], label=label, linewidth=1.8, marker=marker, markersize=5, **style)


def instance_weights(
    weights: pd.DataFrame,
    marked: Any = None,
    names: tuple[str, str] = ("right", "wrong"),
    of: str = "label",
) -> Figure:
    """Draw histograms of the weights of rows, one panel a loss.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a loss did not count.
    marked : array of bool (n,), optional
        Rows to be told from the others, such as those with a wrong label.
    names : (str, str)
        What the other rows and the marked ones are.
    of : str
        Of what they are it, for the legend.
    """
    if marked is None:
        return weight_histograms(weights)
    marked = np.asarray(marked)
    if marked.dtype != bool or marked.shape != (len(weights),):
        raise InputError(
            f"marked must be one bool for each of {len(weights)} rows, found {marked.dtype} of "
            f"shape {marked.shape}"
        )
    others, own = (
        {str(name): part[name].dropna().to_numpy() for name in part}
        for part in (weights[~marked], weights[marked])
    )
    return weights_by_correctness(others, own, names, of)


def trajectories(
    held: Mapping[str, Mapping[float, Sequence[float]]], goals: Mapping[str, float]
) -> Figure:
    """Draw the path of one parameter over steps, one panel a mixer, one line a start.

    Parameters
    ----------
    held : mapping of str to {start: values}
        By the mixer's title; values (steps + 1,), the start among them.
    goals : mapping of str to float
        Values to mark by a line across, such as the minimum of a loss.
    """
    figure, axes = panels(list(held), 2.2)
    for ax, paths in zip(axes, held.values(), strict=True):
        for i, (name, goal) in enumerate(goals.items()):
            look: Any = {"color": FAINT, "linestyle": _GOALS[i % len(_GOALS)]}
            ax.axhline(goal, linewidth=1.4, label=name, zorder=0, **look)
        for path in paths.values():
            ax.plot(np.arange(len(path)), path, color=COLOURS[0], linewidth=1.6)
    same_axes(figure, axes, "step", "parameter")
    whole_numbers(axes)
    one_legend(figure, axes)
    return figure
