"""The style of all figures: a canvas of its own for each, the same colours, PNG bytes out."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555")
DASHES = ("-", "--", "-.", (0, (1, 0.8)))
MARKERS = "osD^vPX*<>"
STRONG = "#D55E00"
INK, FAINT = "#222222", "#8A8A8A"
DPI = 150
NAME_LENGTH = 28
ROW = 0.27  # inches for one name in a list of lines or bars
WIDTH = 6.4  # inches: one column, so that letters stay readable on a phone
_SMALL = 9  # points of names of axes and of legends
_LARGE_WEIGHT = 4.0  # from here on, what lies above 1 is drawn on a logarithmic scale
_MARGIN = 0.05  # of the axis


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure with its words.

    Attributes
    ----------
    title, caption : str
    figure : Figure, or the specification of a chart
    name : str, optional
        Of a file, without its ending.
    """

    title: str
    caption: str
    figure: Any
    name: str = ""


def require_report_extra() -> None:
    """Raise unless figures and pages can be made.

    Raises
    ------
    MissingExtraError
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    for module in ("jinja2", "altair", "vl_convert", "matplotlib"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(module, "report", "the HTML report")


def new_figure(height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with a grid of axes, in reading order."""
    require_report_extra()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.tick_params(labelsize=9, colors=INK, length=3)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_color(FAINT)
    return figure, axes


def panel_grid(
    n: int, row_height: float, margin: float, columns: int = 2
) -> tuple[Figure, list[Axes]]:
    """Make a figure with n panels in rows, in reading order.

    Parameters
    ----------
    n : int
    row_height, margin : float
        Inches for each row of panels, and once for legend and names.
    columns : int
        Most panels side by side.
    """
    columns = max(1, min(columns, n))
    rows = max(1, -(-n // columns))
    figure, axes = new_figure(margin + row_height * rows, rows, columns)
    for ax in axes[n:]:
        ax.set_visible(False)
    return figure, axes[:n]


def titled_panels(titles: Sequence[str], row_height: float) -> tuple[Figure, list[Axes]]:
    """Make one panel for each title, in reading order; `row_height` in inches."""
    columns = 2 if len(titles) == 4 else 3
    figure, axes = panel_grid(len(titles), row_height, 0.7, columns)
    for ax, title in zip(axes, titles, strict=True):
        panel_title(ax, title, 66 // min(columns, len(titles)))
        ax.grid(alpha=0.3)
    return figure, axes


def panel_title(ax: Axes, title: object, longest: int = NAME_LENGTH, suffix: str = "") -> None:
    """Write a title above a panel, at its left, on lines of the number of characters that fit."""
    ax.set_title(wrapped(title, longest) + suffix, fontsize=10, loc="left", color=INK)


def name_axes(ax: Axes, x: str = "", y: str = "") -> None:
    """Write the names of both axes."""
    ax.set_xlabel(x, fontsize=_SMALL)
    ax.set_ylabel(y, fontsize=_SMALL)


def line_style(i: int) -> dict[str, Any]:
    """Return colour and dashes of the i-th line: lines are told apart in grey, too."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}


def marker(i: int) -> str:
    """Return the shape of the i-th method's dots."""
    return MARKERS[i % len(MARKERS)]


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
    lines = np.arange(len(rows))
    for kind, (colour, shape) in looks.items():
        of_kind = (rows["kind"] == kind).to_numpy()
        if of_kind.any():
            dots = rows[of_kind]
            ax.hlines(lines[of_kind], dots["low"], dots["high"], color=colour, linewidth=2)
            ax.scatter(
                dots["value"], lines[of_kind], s=34, c=colour, marker=shape, zorder=3, label=kind
            )
    list_names(ax, rows["name"], longest)


def list_names(ax: Axes, names: Sequence[object], longest: int = NAME_LENGTH) -> None:
    """Write one name a line on the left, from the top down, with a grid behind what is drawn."""
    ax.set_yticks(np.arange(len(names)), [tick_name(name, longest) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
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


def wrapped(name: object, longest: int = NAME_LENGTH, lines: int = 2) -> str:
    """Break a name into lines of a number of characters, where it has more room than by an axis.

    Examples
    --------
    >>> wrapped("uncertainty, classification form").splitlines()
    ['uncertainty, classification', 'form']
    """
    return fill(tick_name(name, lines * longest), longest)


def colour_bar(figure: Figure, image: Any, axes: Any, label: str, **form: Any) -> None:
    """Draw the scale of a heat map, whose own axes lose their lines, beside it.

    Parameters
    ----------
    figure : Figure
    image : AxesImage
    axes : Axes, or sequence of Axes
        All that the scale is for.
    label : str
        What the colours mean.
    **form
        Of the bar, as ``Figure.colorbar`` takes it.
    """
    for ax in np.ravel(axes):
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
    bar = figure.colorbar(image, ax=axes, **form)
    bar.set_label(label, fontsize=_SMALL)
    bar.outline.set_visible(False)


def legend(figure: Figure, axes: Sequence[Axes], columns: int = 3) -> None:
    """Write the names of what is drawn above all panels, each once."""
    handles: list[Any] = []
    labels: list[str] = []
    for ax in axes:
        earlier = set(labels)
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            if label not in earlier:
                handles.append(handle)
                labels.append(label)
    where: Any = "outside upper center"
    figure.legend(handles, labels, loc=where, ncols=columns, frameon=False, fontsize=_SMALL)


def same_axes(figure: Figure, axes: Sequence[Axes], x: str, y: str) -> None:
    """Tie the axes of all panels together and name them once."""
    for ax in axes[1:]:
        ax.sharex(axes[0])
        ax.sharey(axes[0])
    figure.supxlabel(x, fontsize=_SMALL)
    figure.supylabel(y, fontsize=_SMALL)


def whole_numbers(axes: Sequence[Axes]) -> None:
    """Write few ticks, at whole numbers; a single one has room to both sides."""
    from matplotlib.ticker import MaxNLocator

    if all(np.size(line.get_xdata()) <= 1 for ax in axes for line in ax.lines):
        axes[0].set_xlim(0.5, 1.5)
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))


def weight_axis(axes: Sequence[Axes], top: float) -> None:
    """Show weights from 0 to at least 1; if the top one is above 4, logarithmic from 1 on."""
    top = max(top, 1.0)
    for ax in axes:
        if top > _LARGE_WEIGHT:
            ax.set_yscale("symlog", linthresh=1.0, linscale=0.8)
            powers = (m * 10.0**p for p in range(12) for m in (1, 3))
            ticks = [0.0, 0.5, *(tick for tick in powers if tick <= top)]
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_yticks([], minor=True)
        ax.set_ylim(-_MARGIN * min(top, _LARGE_WEIGHT), top * (1 + _MARGIN))


def require_drawable(frame: pd.DataFrame, *columns: str) -> None:
    """Raise InputError unless a frame has these columns, rows, and values in the last column."""
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(f"the frame lacks the columns {missing}; found {list(frame)}")
    if frame.empty or frame[columns[-1]].isna().all():
        raise InputError("the frame has no rows with values: there is nothing to draw")


def png(figure: Figure) -> bytes:
    """Render a figure; the bytes are the same for the same figure."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
    return image.getvalue()
