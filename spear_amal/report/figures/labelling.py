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
    dot_lines,
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
    place = np.arange(len(table))
    # Overlaps are part of coverage and conflicts part of overlaps, hence one bar in another.
    for name, colour, height in (
        ("coverage", LIGHT, 0.84),
        ("overlaps", MIDDLE, 0.54),
        ("conflicts", STRONG, 0.24),
    ):
        ax.barh(place, 100 * table[name], height=height, color=colour, label=name)
    ax.set_yticks(place, [tick_name(name) for name in table["LF"]])
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel("% of rows")
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def conflict_map(conflicts: pd.DataFrame) -> Figure:
    """Draw the share of rows on which two LFs vote differently, as a heat map (m, m)."""
    m = len(conflicts)
    figure, (ax,) = new_figure(min(WIDTH, 2.6 + 0.2 * m))
    # With very many LFs only every second or third name has room.
    shown_names = np.arange(m)[:: -(-m // _MOST_NAMES)]
    size = min(9.0, 180 / max(len(shown_names), 1))
    shown = ax.imshow(100 * conflicts.to_numpy(), cmap="Blues", vmin=0)
    names = [tick_name(conflicts.index[j]) for j in shown_names]
    ax.set_xticks(shown_names, names, rotation=90, fontsize=size)
    ax.set_yticks(shown_names, names, fontsize=size)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    bar = figure.colorbar(shown, ax=ax, shrink=0.8)
    bar.set_label("% of rows on which both vote, and differ", fontsize=9)
    bar.outline.set_visible(False)
    return figure


def accuracy_forest(table: pd.DataFrame) -> Figure:
    """Draw the accuracy of every LF with its interval and a mark where chance lies.

    Parameters
    ----------
    table : DataFrame of m rows
        As :func:`spear_amal.report.lf_table` makes it with gold; silent LFs keep an empty line.
    """
    figure, (ax,) = new_figure(1.3 + ROW * len(table))
    dot_lines(
        ax,
        table.rename(columns={"LF": "name", "accuracy": "value", "verdict": "kind"}),
        _VERDICTS,
    )
    judged = np.flatnonzero(table["verdict"] != "silent")
    # A mark of its own on each line: chance depends on what a function votes for.
    ax.scatter(
        table["chance"].to_numpy()[judged],
        judged,
        s=110,
        c=INK,
        marker="|",
        zorder=4,
        label="chance",
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("accuracy on labelled rows, with 95% interval")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure
