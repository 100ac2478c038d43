"""Small multiples: panels of the same axes, names at the outer ones, one legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spear_amal.report.canvas import INK, new_figure, tick_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
