"""Figures of the outcome: what is taken for what, and how far confidence can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spear_amal.report.figures.style import (
    COLOURS,
    FAINT,
    INK,
    LIGHT,
    MIDDLE,
    legend,
    name_axes,
    new_figure,
    tick_name,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
_ROOM = 30  # characters of all names together that fit side by side
_MOST_CELLS = 12  # classes up to which numbers fit into the cells


def confusion_map(counts: np.ndarray, class_names: Sequence[Any]) -> Figure:
    """Draw a confusion matrix (C, C), gold in rows, coloured by the share of the gold class."""
    c = len(class_names)
    figure, (ax,) = new_figure(min(6.4, 2.6 + 0.45 * c))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [tick_name(name) for name in class_names]
    turned = 90 if max(map(len, names)) * c > _ROOM else 0
    ax.set_xticks(np.arange(c), names, rotation=turned)
    ax.set_yticks(np.arange(c), names)
    name_axes(ax, "predicted", "gold")
    if c <= _MOST_CELLS:
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if shares[i, j] > 0.5 else INK
            label = f"{count}\n{shares[i, j]:.0%}"
            ax.text(j, i, label, ha="center", va="center", color=colour, fontsize=10)
    return figure


def calibration_plot(confidence: np.ndarray, right: np.ndarray) -> Figure:
    """Draw accuracy against confidence in ten bins, with the number of rows in each below.

    Parameters
    ----------
    confidence : ndarray (n,)
    right : ndarray (n,), bool
    """
    figure, (ax, below) = new_figure(4.4, 2, 1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(counts)
    accuracy = [right[bins == b].mean() for b in used]
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="as it should be")
    ax.bar((used + 0.5) / BINS, accuracy, width=0.9 / BINS, color=LIGHT, label="accuracy")
    means = [confidence[bins == b].mean() for b in used]
    ax.scatter(means, accuracy, color=COLOURS[0], s=18, zorder=3, label="mean confidence")
    below.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.9 / BINS, color=MIDDLE)
    start = min(used.min() / BINS, 0.5) if len(used) else 0
    for panel in (ax, below):
        panel.set_xlim(start, 1)
    ax.set_ylim(0, 1.02)
    name_axes(ax, "", "share that is right")
    name_axes(below, "probability of the predicted class", "rows")
    legend(figure, [ax])
    return figure
