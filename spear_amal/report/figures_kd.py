"""Figures of learnt weights: who learns from the teacher, rows with wrong labels or right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.report.canvas import COLOURS, FAINT, INK, new_figure, tick_name
from spear_amal.report.means import mean_and_error

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
        By method, for every run what :func:`spear_amal.studies.kd.weights.buckets` gives.
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
