"""Figures of training: curves of the methods, and the weights that were learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.report.figures.style import FAINT, INK, MIDDLE, line_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW_DECADES = 300.0


def selected_part(history: pd.DataFrame) -> pd.DataFrame:
    """Rows of a history that validation rows looked at: without the refit on all gold rows."""
    if "refit" not in history:
        return history
    return history[history["refit"].isna() | (history["refit"] == False)]  # noqa: E712  # NaN


def curve(history: pd.DataFrame, column: str) -> pd.Series:
    """Mean over cross-fitted members by epoch; empty if nothing of that name was recorded."""
    part = selected_part(history)
    if column not in part:
        return pd.Series(dtype=float)
    return part.groupby("epoch")[column].mean().dropna()


def method_curves(
    histories: Mapping[str, pd.DataFrame], column: str, label: str, log: bool = False
) -> Figure:
    """Draw one line a method of one recorded quantity over epochs."""
    figure, (ax,) = new_figure(3.7)
    drawn = {title: curve(history, column) for title, history in histories.items()}
    for i, (title, values) in enumerate(drawn.items()):
        if len(values):
            _line(ax, values, title, i)
    if log:
        _logarithmic(ax)
    _finish(figure, ax, label)
    return figure


def loss_curves(history: pd.DataFrame) -> Figure:
    """Draw the mean of every loss of one method over epochs, on a logarithmic scale."""
    figure, (ax,) = new_figure(3.7)
    names = [name for name in history if str(name).startswith("loss/")]
    for i, name in enumerate(names):
        values = curve(history, name)
        if (values > 0).any():
            _line(ax, values.where(values > 0), name.removeprefix("loss/"), i)
    _logarithmic(ax)
    _finish(figure, ax, "mean training loss (log scale)")
    return figure


def _logarithmic(ax: Axes) -> None:
    """Log scale with plain numbers; those between powers of ten only where there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    plain = FuncFormatter(lambda value, place: f"{value:g}")
    ax.yaxis.set_major_formatter(plain)
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter(plain if high / low < _FEW_DECADES else NullFormatter())
    ax.tick_params(which="minor", labelsize=9, colors=INK)


def _line(ax: Axes, values: pd.Series, title: str, i: int) -> None:
    ax.plot(
        values.index + 1,
        values.to_numpy(),
        label=title,
        marker="o" if len(values) == 1 else None,
        linewidth=2,
        **line_style(i),
    )


def _finish(figure: Figure, ax: Axes, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch", fontsize=9)
    ax.set_ylabel(label, fontsize=9)
    ax.grid(alpha=0.3)
    if ax.lines:
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)


def weight_histograms(weights: pd.DataFrame) -> Figure:
    """Draw the histogram of the weights of every loss, with the shares at 0 and at 1.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a loss did not count.
    """
    held = {name: weights[name].dropna().to_numpy() for name in weights}
    held = {name: values for name, values in held.items() if len(values)}
    rows = max(1, (len(held) + 1) // 2)
    figure, axes = new_figure(0.4 + 1.9 * rows, rows, 2)
    top = max((float(values.max()) for values in held.values()), default=1.0)
    edges = np.linspace(0, max(1.0, top), 21)
    for ax, (name, values) in zip(axes, held.items(), strict=False):
        _histogram(ax, name, values, edges)
    for ax in axes[len(held) :]:
        ax.set_visible(False)
    return figure


def _histogram(ax: Axes, name: str, values: np.ndarray, edges: np.ndarray) -> None:
    ax.hist(values, bins=edges.tolist(), color=MIDDLE)
    at_zero, at_one = np.isclose(values, 0).mean(), np.isclose(values, 1).mean()
    ax.set_title(f"{name} ({len(values)} rows)", fontsize=10, loc="left", color=INK, pad=16)
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
