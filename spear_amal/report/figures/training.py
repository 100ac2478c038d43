"""Figures of training: curves of the methods, and the weights that were learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.report.figures.style import (
    FAINT,
    INK,
    MIDDLE,
    legend,
    line_style,
    name_axes,
    new_figure,
    panel_grid,
    tick_name,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW_DECADES = 300.0


def selected_part(history: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a history that validation rows judged: no refit on all gold rows."""
    if "refit" not in history:
        return history
    return history[history["refit"].isna() | (history["refit"] == False)]  # noqa: E712  # NaN


def curve(history: pd.DataFrame, column: str) -> pd.Series:
    """Compute the mean over cross-fitted members by epoch; empty if it was not recorded."""
    part = selected_part(history)
    if column not in part:
        return pd.Series(dtype=float)
    return part.groupby("epoch")[column].mean().dropna()


def method_curves(
    histories: Mapping[str, pd.DataFrame], column: str, label: str, log: bool = False
) -> Figure:
    """Draw one line a method of one recorded quantity over epochs."""
    curves = {title: curve(history, column) for title, history in histories.items()}
    return _epochs(curves, label, log)


def loss_curves(history: pd.DataFrame) -> Figure:
    """Draw the mean of every loss of one method over epochs, on a logarithmic scale."""
    names = [str(name) for name in history if str(name).startswith("loss/")]
    curves = {name.removeprefix("loss/"): curve(history, name) for name in names}
    positive = {
        name: values.where(values > 0) if (values > 0).any() else values[:0]
        for name, values in curves.items()
    }
    return _epochs(positive, "mean training loss (log scale)", log=True)


def _epochs(curves: Mapping[str, pd.Series], label: str, log: bool) -> Figure:
    """Draw lines over epochs; an empty one is left out and keeps its colour."""
    from matplotlib.ticker import MaxNLocator

    figure, (ax,) = new_figure(3.7)
    for i, (name, values) in enumerate(curves.items()):
        if len(values):
            look = {"marker": "o" if len(values) == 1 else None, "linewidth": 2, **line_style(i)}
            ax.plot(values.index + 1, values.array, label=wrapped(name), **look)
    if log:
        _logarithmic(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_axes(ax, "epoch", label)
    ax.grid(alpha=0.3)
    if ax.lines:
        legend(figure, [ax], 2)
    return figure


def _logarithmic(ax: Axes) -> None:
    """Write plain numbers on a log scale; those between powers of ten only where few fit."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    plain = FuncFormatter(lambda value, place: f"{value:g}")
    ax.yaxis.set_major_formatter(plain)
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter(plain if high / low < _FEW_DECADES else NullFormatter())
    ax.tick_params(which="minor", labelsize=9, colors=INK)


def weight_histograms(weights: pd.DataFrame) -> Figure:
    """Draw the histogram of the weights of every loss, with the shares at 0 and at 1.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a loss did not count.
    """
    by_loss = {name: weights[name].dropna().to_numpy() for name in weights}
    by_loss = {name: values for name, values in by_loss.items() if len(values)}
    figure, axes = panel_grid(len(by_loss), 1.9, 0.4)
    top = max((float(values.max()) for values in by_loss.values()), default=1.0)
    edges = np.linspace(0, max(1.0, top), 21)
    for ax, (name, values) in zip(axes, by_loss.items(), strict=True):
        _histogram(ax, name, values, edges)
    return figure


def _histogram(ax: Axes, name: str, values: np.ndarray, edges: np.ndarray) -> None:
    ax.hist(values, bins=edges.tolist(), color=MIDDLE)
    at_zero, at_one = np.isclose(values, 0).mean(), np.isclose(values, 1).mean()
    title = f"{tick_name(name)} ({len(values)} rows)"
    ax.set_title(title, fontsize=10, loc="left", color=INK, pad=16)
    ax.annotate(
        f"at 0: {at_zero:.0%}    at 1: {at_one:.0%}    mean {values.mean():.2f}",
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8.5,
        color=INK,
    )
    ax.set_ylabel("rows", fontsize=8.5, color=INK)
    ax.axvline(1, color=FAINT, linewidth=0.8, zorder=0)
