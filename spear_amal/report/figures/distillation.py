"""Figures of learnt weights: who learns from the teacher, rows with wrong labels or right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.confidence import mean_and_error, over_seeds
from spear_amal.report.figures.style import COLOURS, FAINT, INK, line_style, new_figure, tick_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Colour, shape and hatch all tell the two kinds of rows apart.
_KINDS: dict[str, dict[str, Any]] = {
    "noisy": {"label": "wrong label", "color": COLOURS[1], "marker": "D", "hatch": "////"},
    "clean": {"label": "right label", "color": COLOURS[0], "marker": "o", "hatch": ""},
}
_ASIDE = 0.07  # of a bucket, so that error bars do not hide each other
_ACROSS = 2  # panels side by side
_BINS = 24


def bucket_plot(held: Mapping[str, Sequence[Mapping[str, Any]]], edges: Sequence[float]) -> Figure:
    """Draw the teacher's mean weight by its probability of the given label, and numbers of rows.

    Parameters
    ----------
    held : dict of str to list of dict
        By method, for every run what :func:`spear_amal.studies.grid.weight_histograms.buckets`
        gives.
    edges : sequence of float
        Bounds of the buckets. Dots are means over runs in which a bucket has rows, bars their
        standard errors; the panels below show the mean number of rows.
    """
    _need(held)
    columns = len(held)
    figure, axes = new_figure(4.6, 2, columns)
    above, below = axes[:columns], axes[columns:]
    names = [f"{low:g}-{high:g}" for low, high in pairwise(edges)]
    for ax, counts, (method, runs) in zip(above, below, held.items(), strict=True):
        _weights(ax, runs)
        _counts(counts, runs)
        ax.set_title(tick_name(method), fontsize=10, loc="left", color=INK)
        for axis in (ax, counts):
            axis.set_xticks(np.arange(len(names)), names)
        counts.set_xlabel("teacher's probability of the label", fontsize=9)
    # Scales of their own: ALM-KD's weights lie in [0, 1], AMAL's in [0, 2], differences are small.
    above[0].set_ylabel("teacher's weight", fontsize=9)
    below[0].set_ylabel("rows of a run (log)", fontsize=9)
    _legend(figure, above[0])
    return figure


def _weights(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    for i, (kind, look) in enumerate(_KINDS.items()):
        mean, error = mean_and_error(_matrix(runs, kind))
        place = np.arange(len(mean)) + (2 * i - 1) * _ASIDE
        ax.errorbar(
            place,
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


def _counts(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    least = 1.0
    for i, (kind, look) in enumerate(_KINDS.items()):
        means = _matrix(runs, f"{kind}_rows").mean(0)
        place = np.arange(len(means)) + (2 * i - 1) * 0.2
        colour, hatch = look["color"], look["hatch"]
        ax.bar(place, means, 0.4, color=colour, hatch=hatch, edgecolor="white")
        least = min(least, *(mean for mean in means if mean > 0))
    ax.set_yscale("log")
    ax.set_ylim(bottom=least / 2)


def difference_histogram(
    held: Mapping[str, Sequence[Mapping[str, Any]]], auc: Mapping[str, Sequence[float]]
) -> Figure:
    """Draw how the teacher's weight minus the label's is distributed over rows.

    Parameters
    ----------
    held : dict of str to list of dict
        By method, for every run ``edges`` (m + 1) and numbers of rows ``noisy, clean`` (m); they
        are spread over common bins and summed.
    auc : dict of str to sequence of float
        By method, for every run how well the difference tells wrong labels; titles hold the mean.
    """
    _need(held)
    rows = -(-len(held) // _ACROSS)
    figure, axes = new_figure(0.5 + 2.7 * rows, rows, min(_ACROSS, len(held)))
    for ax, (method, runs) in zip(axes, held.items(), strict=False):
        _difference(ax, runs)
        found = [one for one in auc[method] if one == one]
        told = f"AUC {np.mean(found):.3f}" if found else "AUC n/a"
        ax.set_title(f"{tick_name(method)}: {told}", fontsize=10, loc="left", color=INK)
        ax.set_xlabel("teacher's weight minus the label's", fontsize=9)
    for ax in axes[:: min(_ACROSS, len(held))]:
        ax.set_ylabel("% of rows of a kind", fontsize=9)
    for ax in axes[len(held) :]:
        ax.set_visible(False)
    _legend(figure, axes[0])
    return figure


def _difference(ax: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    bounds = [(one["edges"][0], one["edges"][-1]) for one in runs]
    low, high = min(one[0] for one in bounds), max(one[1] for one in bounds)
    edges = np.linspace(low, high, _BINS + 1)
    ax.axvline(0, color=FAINT, linewidth=1, zorder=0)
    for kind, look in _KINDS.items():
        counts = sum(_rebinned(one[kind], one["edges"], edges) for one in runs)
        shares = 100 * counts / max(np.sum(counts), 1)
        colour, hatch = look["color"], look["hatch"]
        ax.stairs(
            shares, edges, fill=True, color=colour, alpha=0.35, hatch=hatch, label=look["label"]
        )
        ax.stairs(shares, edges, color=colour, linewidth=1.6)


def _rebinned(counts: Sequence[float], edges: Sequence[float], common: np.ndarray) -> np.ndarray:
    """Spread counts evenly within their bins over bins that all runs share."""
    return np.diff(np.interp(common, edges, np.concatenate([[0.0], np.cumsum(counts)])))


def _matrix(runs: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Stack a field of runs to (runs, m); None becomes not-a-number."""
    return np.array([[np.nan if v is None else v for v in one[key]] for one in runs], dtype=float)


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)


def _need(held: Mapping[str, Sequence[Any]]) -> None:
    if not held or not all(len(runs) for runs in held.values()):
        raise InputError("there are no runs with learnt weights to draw")


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
    _methods_legend(figure, len(held))
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
    _need_columns(frame, ("condition", "method", "seed", column))
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
    _methods_legend(figure, len(methods))
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
    _need_columns(frame, ("method", "seed", "compression", column))
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
    _methods_legend(figure, len(methods))
    return figure


def _wrapped(name: object, width: int = 14) -> str:
    from textwrap import fill

    return fill(tick_name(name, 3 * width), width)


def _marker(i: int) -> str:
    return _MARKERS[i % len(_MARKERS)]


def _methods_legend(figure: Figure, n: int) -> None:
    columns = 4 if n in (4, 8) else min(n, 3)  # many methods have long names among them
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=9)


def _need_columns(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(f"the frame lacks the columns {missing}; found {list(frame)}")
    if frame.empty or frame[columns[-1]].isna().all():
        raise InputError("the frame has no values: there is nothing to draw")
