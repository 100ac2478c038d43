"""Figures of labelling functions: how much they say, and who contradicts whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.report.figures.style import (
    COLOURS,
    FAINT,
    INK,
    LIGHT,
    MIDDLE,
    ROW,
    STRONG,
    WIDTH,
    colour_bar,
    dot_lines,
    legend,
    list_names,
    new_figure,
    tick_name,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NAMES = 40  # beside a heat map
# Colour and shape both tell the verdict, for those who see no difference in colour.
_VERDICTS = {"good": (COLOURS[0], "o"), "unclear": (FAINT, "s"), "bad": (STRONG, "X")}


def coverage_bars(table: pd.DataFrame) -> Figure:
    """Draw coverage, overlaps and conflicts of every LF as bars within bars.

    Parameters
    ----------
    table : DataFrame of m rows
        As :func:`spear_amal.report.lf_table` makes it.
    """
    figure, (ax,) = new_figure(1.3 + ROW * len(table))
    # Overlaps are part of coverage and conflicts part of overlaps, hence one bar in another.
    for name, colour, height in (
        ("coverage", LIGHT, 0.84),
        ("overlaps", MIDDLE, 0.54),
        ("conflicts", STRONG, 0.24),
    ):
        ax.barh(np.arange(len(table)), 100 * table[name], height, color=colour, label=name)
    list_names(ax, table["LF"])
    ax.set_xlim(left=0)
    ax.set_xlabel("% of rows")
    legend(figure, [ax])
    return figure


def conflict_map(conflicts: pd.DataFrame) -> Figure:
    """Draw the share of rows on which two LFs vote differently, as a heat map (m, m)."""
    m = len(conflicts)
    figure, (ax,) = new_figure(min(WIDTH, 2.6 + 0.2 * m))
    # With very many LFs only every second or third name has room.
    named = np.arange(m)[:: -(-m // _MOST_NAMES)]
    size = min(9.0, 180 / max(len(named), 1))
    image = ax.imshow(100 * conflicts.to_numpy(), cmap="Blues", vmin=0)
    names = [tick_name(conflicts.index[j]) for j in named]
    ax.set_xticks(named, names, rotation=90, fontsize=size)
    ax.set_yticks(named, names, fontsize=size)
    colour_bar(figure, image, ax, "% of rows on which both vote, and differ", shrink=0.8)
    return figure


def accuracy_forest(table: pd.DataFrame) -> Figure:
    """Draw the accuracy of every LF with its interval and a mark where chance lies.

    Parameters
    ----------
    table : DataFrame of m rows
        As :func:`spear_amal.report.lf_table` makes it with gold; silent LFs keep an empty line.
    """
    figure, (ax,) = new_figure(1.3 + ROW * len(table))
    names = {"LF": "name", "accuracy": "value", "verdict": "kind"}
    dot_lines(ax, table.rename(columns=names), _VERDICTS)
    judged = np.flatnonzero(table["verdict"] != "silent")
    # A mark of its own on each line: chance depends on what a function votes for.
    chance = table["chance"].to_numpy()[judged]
    ax.scatter(chance, judged, s=110, c=INK, marker="|", zorder=4, label="chance")
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("accuracy on labelled rows, with 95% interval")
    legend(figure, [ax], 4)
    return figure
