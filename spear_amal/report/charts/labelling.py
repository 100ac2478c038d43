"""Charts of labelling functions: how much they say, who contradicts whom, who beats chance."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from spear_amal.report.charts.style import (
    BLUE,
    GREY,
    INK,
    MEDIUM,
    ORANGE,
    PALE,
    RED,
    SHORT_NAMES,
    STEP,
    VIOLET,
    Spec,
    finished,
    kinds_scale,
    names_axis,
    names_legend,
    tooltip,
)

SHARES = {"coverage": (PALE, 14), "overlaps": (MEDIUM, 9), "conflicts": (RED, 4)}
# Colour and shape both tell the grade, for those who see no difference in colour.
_GRADES = {
    "good": (BLUE, "circle"),
    "weak": (ORANGE, "triangle-up"),
    "unclear": (GREY, "square"),
    "copy": (VIOLET, "diamond"),
    "bad": (RED, "cross"),
}
_MOST_NAMES = 40  # beside a heat map
_LARGEST_MAP = 560  # pixels


def coverage_bars(table: pd.DataFrame) -> Spec:
    """Draw coverage, overlaps and conflicts of every LF as bars within bars.

    Parameters
    ----------
    table : DataFrame of m rows
        As ``LFReview.lfs`` of :func:`spear_amal.labeling.review_lfs`.
    """
    y = names_axis("LF", table["LF"].tolist())
    colours = kinds_scale({name: colour for name, (colour, _) in SHARES.items()})
    told = tooltip(LF="", votes_for="", coverage=".1%", overlaps=".1%", conflicts=".1%")
    # Overlaps are part of coverage and conflicts part of overlaps, hence one bar in another.
    bars = [
        alt.Chart(alt.NamedData("lfs"))
        .mark_bar(size=size)
        .encode(
            x=alt.X(field=name, type="quantitative", title="share of rows", axis=_percent_axis()),
            y=y,
            color=alt.Color(
                field=f"is_{name}", type="nominal", scale=colours, legend=names_legend(SHARES)
            ),
            tooltip=told,
        )
        for name, (_, size) in SHARES.items()
    ]
    rows = table[["LF", "votes for", *SHARES]].rename(columns={"votes for": "votes_for"})
    rows = rows.assign(**{f"is_{name}": name for name in SHARES})  # what a layer is, for the legend
    return finished(alt.layer(*bars).properties(height=STEP * len(table)), lfs=rows)


def _percent_axis() -> alt.Axis:
    return alt.Axis(format=".0%", orient="top", tickCount=5)


def conflict_map(conflicts: pd.DataFrame) -> Spec:
    """Draw the share of rows on which two LFs vote differently, as a heat map (m, m)."""
    m = len(conflicts)
    shares = conflicts.to_numpy()
    i, j = np.nonzero(shares)
    # Names stand once, not in each of m squared cells: with long ones these were megabytes.
    cells = pd.DataFrame({"i": i, "j": j, "share": shares[i, j]})
    names = pd.DataFrame({"number": np.arange(m), "name": conflicts.index.astype(str)})
    domain = names["name"].tolist()
    axis = alt.Axis(
        title=None,
        ticks=False,
        domain=False,
        grid=False,
        labels=m <= _MOST_NAMES,
        labelExpr=SHORT_NAMES,
    )
    size = min(_LARGEST_MAP, 60 + m * STEP)
    looked_up = [alt.LookupData(alt.NamedData("names"), key="number", fields=["name"])] * 2
    sides: Spec = {
        side: {"field": side, "type": "nominal", "scale": alt.Scale(domain=domain)}
        for side in ("one_LF", "another_LF")
    }
    chart = (
        alt.Chart(alt.NamedData("cells"))
        .transform_lookup(lookup="i", from_=looked_up[0], as_=["one_LF"])
        .transform_lookup(lookup="j", from_=looked_up[1], as_=["another_LF"])
        .mark_rect(color=RED)
        .encode(
            x=alt.X(**sides["another_LF"], axis=axis.copy()),
            y=alt.Y(**sides["one_LF"], axis=axis.copy()),
            opacity=alt.Opacity(
                field="share",
                type="quantitative",
                scale=alt.Scale(domainMin=0, range=[0.03, 1]),
                legend=alt.Legend(title="share of rows", format=".2~%", tickCount=4, columns=4),
            ),
            tooltip=tooltip(one_LF="", another_LF="", share=".2%"),
        )
    )
    return finished(chart.properties(height=size), cells=cells, names=names)


def accuracy_forest(table: pd.DataFrame) -> Spec:
    """Draw the accuracy of every LF with its interval and a mark where chance lies.

    Parameters
    ----------
    table : DataFrame of m rows
        As ``LFReview.lfs`` of :func:`spear_amal.labeling.review_lfs`; LFs without a vote on a gold
        row keep an empty line.
    """
    y = names_axis("LF", table["LF"].tolist())
    chosen = alt.selection_point(fields=["grade"], bind="legend")
    shown = alt.condition(chosen, alt.value(1), alt.value(0.12))
    told = tooltip(
        LF="", grade="", accuracy=".2f", low=".2f", high=".2f", chance=".2f", gold_votes=""
    )
    x: Spec = {"type": "quantitative", "title": "accuracy on gold rows, with its 95% interval"}
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(orient="top", tickCount=5)
    base = alt.Chart(alt.NamedData("lfs")).encode(y=y, tooltip=told, opacity=shown)
    given = {name: look for name, look in _GRADES.items() if name in set(table["grade"])}
    colours = kinds_scale({name: colour for name, (colour, _) in given.items()})
    shapes = kinds_scale({name: shape for name, (_, shape) in given.items()})
    colour = alt.Color(field="grade", type="nominal", scale=colours, legend=names_legend(given))
    shape = alt.Shape(field="grade", type="nominal", scale=shapes, legend=names_legend(given))
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(field="low", scale=scale, axis=axis, **x), x2=alt.X2(field="high"), color=colour
    )
    dots = base.mark_point(filled=True, size=60).encode(
        x=alt.X(field="accuracy", scale=scale, axis=axis, **x), color=colour, shape=shape
    )
    # A mark of its own on each line: chance depends on what a function votes for.
    chance = base.mark_tick(color=INK, thickness=2, size=13).encode(
        x=alt.X(field="chance", scale=scale, axis=axis, **x)
    )
    chart = alt.layer(interval, dots.add_params(chosen), chance).properties(
        height=STEP * len(table)
    )
    columns = ["LF", "grade", "accuracy", "low", "high", "chance", "gold votes"]
    judged = table[columns].rename(columns={"gold votes": "gold_votes"})
    return finished(chart, lfs=judged[judged["gold_votes"] > 0])
