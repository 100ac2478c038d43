"""Figures of students' scores: while they learn, by condition, and by how much smaller they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.canvas import COLOURS, FAINT, line_style, new_figure, tick_name
from spear_amal.report.means import mean_and_error, over_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX*<>"
_SPREAD, _STEP = 0.6, 0.15  # of a condition's room: all methods side by side, and two of them
_NEAR = 1.04  # ratio of two places on the logarithmic axis that are told apart


def learning_curves(held: Mapping[str, Sequence[Sequence[float]]], every: int) -> Figure:
    """Draw test accuracy by epoch: means over runs with their standard errors as bands.

    Parameters
    ----------
    held : dict of str to list of list
        By method, for every run its accuracies (0 to 1) after each `every` epochs; a run that
        ended sooner counts as far as it went.
    every : int
    """
    if not held or not all(len(curve) for runs in held.values() for curve in runs):
        raise InputError("there are no learning curves to draw")
    figure, (ax,) = new_figure(4.0)
    for i, (method, runs) in enumerate(held.items()):
        longest = max(map(len, runs))
        padded = [[*curve, *[np.nan] * (longest - len(curve))] for curve in runs]
        mean, error = mean_and_error(100 * np.array(padded, dtype=float))
        epochs = every * np.arange(1, longest + 1)
        colour = COLOURS[i % len(COLOURS)]
        ax.fill_between(epochs, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        style = {"markersize": 4, "markevery": max(longest // 8, 1), **line_style(i)}
        ax.plot(epochs, mean, marker=_marker(i), label=tick_name(method), **style)
    ax.set_xlabel("epoch", fontsize=9)
    ax.set_ylabel("test accuracy, points", fontsize=9)
    ax.grid(alpha=0.3)
    _legend(figure, len(held))
    return figure


def by_condition(
    frame: pd.DataFrame, column: str = "score", axis: str = "test accuracy, points"
) -> Figure:
    """Draw means with 95% intervals for every method under every condition.

    Parameters
    ----------
    frame : DataFrame
        One row a run: ``condition, method, seed`` and `column`; conditions and methods are drawn
        in the order in which they occur.
    column : str
        "score" (0 to 1, drawn in points), or another number, drawn as it is.
    axis : str
        Its name.
    """
    _need(frame, ("condition", "method", "seed", column))
    conditions, methods = (list(dict.fromkeys(frame[key])) for key in ("condition", "method"))
    scale = 100.0 if column == "score" else 1.0
    means = over_seeds(frame, ["method", "condition"], column, scale)
    figure, (ax,) = new_figure(4.0)
    step = min(_SPREAD / max(len(methods) - 1, 1), _STEP)
    for i, method in enumerate(methods):
        own = means.loc[method].reindex(conditions)
        place = np.arange(len(conditions)) + (i - (len(methods) - 1) / 2) * step
        _dots(ax, place, own, i, tick_name(method))
    for border in np.arange(len(conditions) - 1) + 0.5:
        ax.axvline(border, color=FAINT, linewidth=0.6, linestyle=":")
    ax.set_xticks(np.arange(len(conditions)), [_wrapped(name) for name in conditions])
    ax.set_xlim(-0.5, len(conditions) - 0.5)
    ax.set_ylabel(axis, fontsize=9)
    ax.grid(axis="y", alpha=0.3)
    _legend(figure, len(methods))
    return figure


def _dots(ax: Axes, place: np.ndarray, means: pd.DataFrame, i: int, label: str) -> None:
    colour = COLOURS[i % len(COLOURS)]
    ax.vlines(place, means["low"], means["high"], color=colour, linewidth=1.8)
    ax.scatter(place, means["mean"], s=34, c=colour, marker=_marker(i), zorder=3, label=label)


def compression_curve(
    frame: pd.DataFrame, column: str = "relative_ce", to: str = "labels alone"
) -> Figure:
    """Draw relative accuracy against compression ratio, one line a method.

    Parameters
    ----------
    frame : DataFrame
        One row a run: ``method, seed, compression`` (parameters of the teacher by those of the
        student, above 0) and `column`. Bars are 95% intervals over seeds.
    column : str
        Accuracy by another one.
    to : str
        What the other one is of, for the axis.
    """
    _need(frame, ("method", "seed", "compression", column))
    methods = list(dict.fromkeys(frame["method"]))
    means = over_seeds(frame, ["method", "compression"], column, most=np.inf)
    figure, (ax,) = new_figure(4.2)
    ax.axhline(100, color=FAINT, linewidth=1, zorder=0)
    for i, method in enumerate(methods):
        own = means.loc[method]
        # Bars of several methods at one ratio would hide each other.
        place = own.index.to_numpy(dtype=float) * _NEAR ** (i - (len(methods) - 1) / 2)
        ax.vlines(place, own["low"], own["high"], color=COLOURS[i % len(COLOURS)], linewidth=1.4)
        style = {"markersize": 5, "linewidth": 1.4, **line_style(i)}
        ax.plot(place, own["mean"], marker=_marker(i), label=tick_name(method), **style)
    ax.set_xscale("log")
    ratios = np.unique(frame["compression"].astype(float))
    ax.set_xticks(ratios, [f"{one:.3g}" for one in ratios])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("compression: teacher's parameters / student's (log scale)", fontsize=9)
    ax.set_ylabel(f"test accuracy, % of {to}", fontsize=9)
    ax.grid(axis="y", alpha=0.3)
    _legend(figure, len(methods))
    return figure


def _wrapped(name: object, width: int = 14) -> str:
    from textwrap import fill

    return fill(tick_name(name, 3 * width), width)


def _marker(i: int) -> str:
    return _MARKERS[i % len(_MARKERS)]


def _legend(figure: Figure, n: int) -> None:
    columns = 4 if n in (4, 8) else min(n, 3)  # many methods have long names among them
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=9)


def _need(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(f"the frame lacks the columns {missing}; found {list(frame)}")
    if frame.empty or frame[columns[-1]].isna().all():
        raise InputError("the frame has no values: there is nothing to draw")
