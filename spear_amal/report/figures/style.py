"""Figures without global state: one canvas each, the same colours, PNG bytes out."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
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


_LARGE = 4.0  # from this weight on, what lies above 1 is drawn on a logarithmic scale
_MARGIN = 0.05  # of the axis


def across(n: int) -> int:
    """Panels side by side, of n.

    Examples
    --------
    >>> [across(n) for n in (1, 2, 3, 4, 5, 13)]
    [1, 2, 3, 2, 3, 3]
    """
    return 2 if n == 4 else min(n, 3)


def panels(titles: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Make one panel a title, in reading order; `height` in inches is that of a panel."""
    columns = across(len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = new_figure(0.7 + height * rows, rows, columns)
    longest = 66 // columns
    for ax, title in zip(axes, titles, strict=False):
        ax.set_title(tick_name(title, longest), fontsize=10, loc="left", color=INK)
        ax.grid(alpha=0.3)
    for ax in axes[len(titles) :]:
        ax.set_visible(False)
    return figure, axes[: len(titles)]


def same_axes(figure: Figure, axes: Sequence[Axes], x: str, y: str) -> None:
    """Tie the axes of all panels together and name them once."""
    for ax in axes[1:]:
        ax.sharex(axes[0])
        ax.sharey(axes[0])
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)


def whole_numbers(axes: Sequence[Axes]) -> None:
    """Few ticks, at whole numbers; a single one has room to both sides."""
    from matplotlib.ticker import MaxNLocator

    if all(np.size(line.get_xdata()) <= 1 for ax in axes for line in ax.lines):
        axes[0].set_xlim(0.5, 1.5)
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))


def weight_axis(axes: Sequence[Axes], top: float) -> None:
    """Weights from 0 to at least 1; large ones would press those within [0, 1] to the ground."""
    top = max(top, 1.0)
    for ax in axes:
        if top > _LARGE:
            _one_and_above(ax, top)
        ax.set_ylim(-_MARGIN * min(top, _LARGE), top * (1 + _MARGIN))


def _one_and_above(ax: Axes, top: float) -> None:
    """Linear up to 1, logarithmic above, with plain numbers."""
    ax.set_yscale("symlog", linthresh=1.0, linscale=0.8)
    ticks = [0.0, 0.5, *(m * 10.0**p for p in range(12) for m in (1, 3) if m * 10.0**p <= top)]
    ax.set_yticks(ticks, [f"{one:g}" for one in ticks])
    ax.set_yticks([], minor=True)


def one_legend(figure: Figure, axes: Sequence[Axes], columns: int = 3) -> None:
    """One entry for a name, wherever it is drawn."""
    held: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            held.setdefault(label, handle)
    where: Any = "outside upper center"
    figure.legend(
        list(held.values()), list(held), loc=where, ncols=columns, frameon=False, fontsize=9
    )
