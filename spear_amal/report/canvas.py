"""Figures without global state: one canvas each, the same colours, PNG bytes out."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555")
DASHES = ("-", "--", "-.", (0, (1, 0.8)))
LIGHT, MIDDLE, STRONG = "#B9D7EA", "#56A0D3", "#D55E00"
INK, FAINT = "#222222", "#8A8A8A"
DPI = 150
NAME_LENGTH = 28
ROW = 0.27  # inches for one name in a list of lines or bars
WIDTH = 6.4  # inches: one column, so that letters stay readable on a phone


def need_matplotlib() -> None:
    """Raise unless figures can be drawn.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "report", "the HTML report")


def new_figure(height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with a grid of axes, in reading order."""
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        _plain(ax)
    return figure, axes


def _plain(ax: Axes) -> None:
    ax.tick_params(labelsize=9, colors=INK, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(FAINT)


def line_style(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line: both change, so that lines are told apart in grey."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}


def dot_lines(
    ax: Axes, rows: pd.DataFrame, looks: Mapping[str, tuple[str, str]], longest: int = NAME_LENGTH
) -> None:
    """Draw one dot with its interval on each line, from the top down, with names on the left.

    Parameters
    ----------
    ax : Axes
    rows : DataFrame of m rows
        ``name, value, low, high, kind``; a kind without a look leaves its line empty.
    looks : dict of str to (colour, marker)
        By kind; kinds that occur are labelled for a legend.
    longest : int
        Characters of a name that are shown.
    """
    place = np.arange(len(rows))
    for kind, (colour, marker) in looks.items():
        own = (rows["kind"] == kind).to_numpy()
        if own.any():
            some = rows[own]
            ax.hlines(place[own], some["low"], some["high"], color=colour, linewidth=2)
            ax.scatter(
                some["value"], place[own], s=34, c=colour, marker=marker, zorder=3, label=kind
            )
    ax.set_yticks(place, [tick_name(name, longest) for name in rows["name"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)


def tick_name(name: object, longest: int = NAME_LENGTH) -> str:
    """Cut a name to what fits beside an axis; a dollar sign starts no formula.

    Examples
    --------
    >>> tick_name("short"), len(tick_name("x" * 99))
    ('short', 28)
    """
    text = str(name)
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return short.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """Render a figure; the bytes are the same for the same figure."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=DPI, metadata={"Software": None})
    return held.getvalue()
