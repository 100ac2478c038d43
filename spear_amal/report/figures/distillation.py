"""Figures of learnt weights: who learns from the teacher, rows with wrong labels or right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.confidence import mean_and_error, over_seeds
from spear_amal.report.figures.style import (
    COLOURS,
    FAINT,
    legend,
    line_style,
    marker,
    name_axes,
    new_figure,
    panel_grid,
    panel_title,
    require_drawable,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour, shape and hatch all tell the two kinds of rows apart.
_KINDS: dict[str, dict[str, Any]] = {
    "noisy": {"label": "wrong label", "color": COLOURS[1], "marker": "D", "hatch": "////"},
    "clean": {"label": "right label", "color": COLOURS[0], "marker": "o", "hatch": ""},
}
_ASIDE = 0.07  # of a bucket, so that error bars do not hide each other
_BINS = 24
_SPREAD, _STEP = 0.6, 0.15  # of a condition's room: all methods side by side, and two of them
_NEAR = 1.04  # ratio of two places on the logarithmic axis that are told apart
_TICK = 14  # characters of a condition's name on one line


def bucket_plot(
    buckets: Mapping[str, Sequence[Mapping[str, Any]]], edges: Sequence[float]
) -> Figure:
    """Draw the teacher's mean weight by its probability of the given label, and numbers of rows.

    Parameters
    ----------
    buckets : dict of str to list of dict
        By method, for every run what :func:`spear_amal.studies.grid.weight_histograms.buckets`
        gives.
    edges : sequence of float
        Bounds of the buckets. Dots are means over runs in which a bucket has rows, bars their
        standard errors; the panels below show the mean number of rows.
    """
    _require_runs(buckets)
    columns = len(buckets)
    figure, axes = new_figure(4.6, 2, columns)
    above, below = axes[:columns], axes[columns:]
    names = [f"{low:g}-{high:g}" for low, high in pairwise(edges)]
    # Scales of their own: ALM-KD's weights lie in [0, 1], AMAL's in [0, 2], differences are small.
    for j, (method, runs) in enumerate(buckets.items()):
        _bucket_weights(above[j], runs)
        _bucket_rows(below[j], runs)
        panel_title(above[j], method)
        name_axes(above[j], "", "" if j else "teacher's weight")
        name_axes(
            below[j], "teacher's probability of the label", "" if j else "rows of a run (log)"
        )
        for ax in (above[j], below[j]):
            ax.set_xticks(np.arange(len(names)), names)
    legend(figure, above[:1], 2)
    return figure


def _bucket_weights(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    for i, (kind, look) in enumerate(_KINDS.items()):
        mean, error = mean_and_error(_matrix(runs, kind))
        ax.errorbar(
            np.arange(len(mean)) + (2 * i - 1) * _ASIDE,
            mean,
            error,
            label=look["label"],
            color=look["color"],
            marker=look["marker"],
            markersize=5,
            linewidth=1.2,
            linestyle="--" if i else "-",
            capsize=3,
        )
    ax.grid(axis="y", alpha=0.3)


def _bucket_rows(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    least = 1.0
    for i, (kind, look) in enumerate(_KINDS.items()):
        means = _matrix(runs, f"{kind}_rows").mean(0)
        place = np.arange(len(means)) + (2 * i - 1) * 0.2
        colour, hatch = look["color"], look["hatch"]
        ax.bar(place, means, 0.4, color=colour, hatch=hatch, edgecolor="white")
        least = min(least, *(mean for mean in means if mean > 0))
    ax.set_yscale("log")
    ax.set_ylim(bottom=least / 2)


def _matrix(runs: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Stack a field of runs to (runs, m); None becomes not-a-number."""
    rows = [[np.nan if value is None else value for value in run[key]] for run in runs]
    return np.array(rows, dtype=float)


def difference_histogram(
    histograms: Mapping[str, Sequence[Mapping[str, Any]]], auc: Mapping[str, Sequence[float]]
) -> Figure:
    """Draw how the teacher's weight minus the label's is distributed over rows.

    Parameters
    ----------
    histograms : dict of str to list of dict
        By method, for every run ``edges`` (m + 1) and numbers of rows ``noisy, clean`` (m); they
        are spread over common bins and summed.
    auc : dict of str to sequence of float
        By method, for every run how well the difference tells wrong labels; titles hold the mean.
    """
    _require_runs(histograms)
    figure, axes = panel_grid(len(histograms), 2.7, 0.5)
    for i, (ax, (method, runs)) in enumerate(zip(axes, histograms.items(), strict=True)):
        _difference(ax, runs)
        known = [value for value in auc[method] if not np.isnan(value)]
        mean = f"{np.mean(known):.3f}" if known else "n/a"
        panel_title(ax, method, suffix=f": AUC {mean}")
        name_axes(ax, "teacher's weight minus the label's", "" if i % 2 else "% of rows of a kind")
    legend(figure, axes[:1], 2)
    return figure


def _difference(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    low, high = min(run["edges"][0] for run in runs), max(run["edges"][-1] for run in runs)
    edges = np.linspace(low, high, _BINS + 1)
    ax.axvline(0, color=FAINT, linewidth=1, zorder=0)
    for kind, look in _KINDS.items():
        counts = sum(_rebinned(run[kind], run["edges"], edges) for run in runs)
        shares = 100 * counts / max(np.sum(counts), 1)
        colour, hatch = look["color"], look["hatch"]
        ax.stairs(
            shares, edges, fill=True, color=colour, alpha=0.35, hatch=hatch, label=look["label"]
        )
        ax.stairs(shares, edges, color=colour, linewidth=1.6)


def _rebinned(counts: Sequence[float], edges: Sequence[float], common: np.ndarray) -> np.ndarray:
    """Spread counts evenly within their bins over bins that all runs share."""
    return np.diff(np.interp(common, edges, np.concatenate([[0.0], np.cumsum(counts)])))


def _require_runs(by_method: Mapping[str, Sequence[Any]]) -> None:
    if not by_method or not all(len(runs) for runs in by_method.values()):
        raise InputError("there are no runs with learnt weights to draw")


def learning_curves(curves: Mapping[str, Sequence[Sequence[float]]], every: int) -> Figure:
    """Draw test accuracy by epoch: means over runs with their standard errors as bands.

    Parameters
    ----------
    curves : dict of str to list of list
        By method, for every run its accuracies (0 to 1) after each `every` epochs; a run that
        ended sooner counts as far as it went.
    every : int
    """
    if not curves or not all(len(curve) for runs in curves.values() for curve in runs):
        raise InputError("there are no learning curves to draw")
    figure, (ax,) = new_figure(4.0)
    for i, (method, runs) in enumerate(curves.items()):
        longest = max(map(len, runs))
        padded = [[*curve, *[np.nan] * (longest - len(curve))] for curve in runs]
        mean, error = mean_and_error(100 * np.array(padded, dtype=float))
        epochs = every * np.arange(1, longest + 1)
        style = line_style(i)
        band = {"color": style["color"], "alpha": 0.2, "linewidth": 0}
        ax.fill_between(epochs, mean - error, mean + error, **band)
        look = {"marker": marker(i), "markersize": 4, "markevery": max(longest // 8, 1), **style}
        ax.plot(epochs, mean, label=wrapped(method), **look)
    name_axes(ax, "epoch", "test accuracy, points")
    ax.grid(alpha=0.3)
    _methods_legend(figure, ax, len(curves))
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
    require_drawable(frame, "condition", "method", "seed", column)
    conditions, methods = (list(dict.fromkeys(frame[key])) for key in ("condition", "method"))
    scale = 100.0 if column == "score" else 1.0
    means = over_seeds(frame, ["method", "condition"], column, scale)
    figure, (ax,) = new_figure(4.0)
    step = min(_SPREAD / max(len(methods) - 1, 1), _STEP)
    for i, method in enumerate(methods):
        rows, colour = means.loc[method].reindex(conditions), line_style(i)["color"]
        place = np.arange(len(conditions)) + (i - (len(methods) - 1) / 2) * step
        ax.vlines(place, rows["low"], rows["high"], color=colour, linewidth=1.8)
        look = {"s": 34, "c": colour, "marker": marker(i), "zorder": 3}
        ax.scatter(place, rows["mean"], label=wrapped(method), **look)
    for border in np.arange(len(conditions) - 1) + 0.5:
        ax.axvline(border, color=FAINT, linewidth=0.6, linestyle=":")
    names = [wrapped(name, _TICK, lines=3) for name in conditions]
    ax.set_xticks(np.arange(len(conditions)), names)
    ax.set_xlim(-0.5, len(conditions) - 0.5)
    name_axes(ax, "", axis)
    ax.grid(axis="y", alpha=0.3)
    _methods_legend(figure, ax, len(methods))
    return figure


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
    require_drawable(frame, "method", "seed", "compression", column)
    methods = list(dict.fromkeys(frame["method"]))
    means = over_seeds(frame, ["method", "compression"], column, most=np.inf)
    figure, (ax,) = new_figure(4.2)
    ax.axhline(100, color=FAINT, linewidth=1, zorder=0)
    for i, method in enumerate(methods):
        rows, style = means.loc[method], line_style(i)
        # Bars of several methods at one ratio would hide each other.
        place = rows.index.to_numpy(dtype=float) * _NEAR ** (i - (len(methods) - 1) / 2)
        ax.vlines(place, rows["low"], rows["high"], color=style["color"], linewidth=1.4)
        look = {"marker": marker(i), "markersize": 5, "linewidth": 1.4, **style}
        ax.plot(place, rows["mean"], label=wrapped(method), **look)
    ax.set_xscale("log")
    ratios = np.unique(frame["compression"].astype(float))
    ax.set_xticks(ratios, [f"{ratio:.3g}" for ratio in ratios])
    ax.set_xticks([], minor=True)
    name_axes(
        ax,
        "compression: teacher's parameters / student's (log scale)",
        f"test accuracy, % of {to}",
    )
    ax.grid(axis="y", alpha=0.3)
    _methods_legend(figure, ax, len(methods))
    return figure


def _methods_legend(figure: Figure, ax: Axes, n: int) -> None:
    # Many methods have long names among them.
    legend(figure, [ax], 4 if n in (4, 8) else min(n, 3))
