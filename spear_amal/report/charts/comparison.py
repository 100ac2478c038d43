"""Charts that compare methods: scores and gains with intervals, their spread, label budgets."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from spear_amal.report.charts.style import (
    BLUE,
    GREY,
    HEIGHT,
    INK,
    RED,
    STEP,
    Spec,
    finished,
    kinds_scale,
    names_axis,
    names_legend,
    tooltip,
)

_LINE = STEP + 4  # pixels for a method
# Colour and shape both say on which side of zero an interval lies.
_SIDES = {"above zero": BLUE, "zero within": GREY, "below zero": RED}
_SHAPES = {"above zero": "circle", "zero within": "square", "below zero": "cross"}


def score_dots(scores: pd.DataFrame, label: str) -> Spec:
    """Draw the score of each method, with its interval where it has one.

    Parameters
    ----------
    scores : DataFrame
        ``method, score`` and optionally ``low, high``, in points; in the order to show.
    label : str
        Name of the score for the axis.
    """
    rows = _with_bounds(scores)
    base = _lines(rows)
    x: Spec = {"type": "quantitative", "title": label, "axis": alt.Axis(orient="top", tickCount=6)}
    x["scale"] = alt.Scale(zero=False, padding=12)
    told = tooltip(method="", score=".1f", low=".1f", high=".1f")
    interval = base.mark_rule(strokeWidth=2, color=BLUE).encode(
        x=alt.X(field="low", **x), x2=alt.X2(field="high"), tooltip=told
    )
    dots = base.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(
        x=alt.X(field="score", **x), tooltip=told
    )
    chart = alt.layer(interval, dots).properties(height=_LINE * len(rows))
    return finished(chart, methods=rows)


def gain_dots(gains: pd.DataFrame, baseline: str) -> Spec:
    """Draw mean gains over a baseline with their intervals, the largest on top.

    Parameters
    ----------
    gains : DataFrame
        ``method, gain, low, high``, in points; NaN bounds draw a dot alone.
    baseline : str
        Its name for the axis.
    """
    rows = _with_bounds(gains.sort_values("gain", ascending=False, kind="stable"))
    rows["side"] = np.select(
        [rows["low"] > 0, rows["high"] < 0], ["above zero", "below zero"], "zero within"
    )
    base = _lines(rows)
    x: Spec = {"type": "quantitative", "title": "gain, points"}
    x["axis"] = alt.Axis(orient="top", format="+~g", tickCount=6)
    told = tooltip(method="", gain="+.1f", low="+.1f", high="+.1f")
    looks: Spec = {
        "color": alt.Color(
            field="side", type="nominal", scale=kinds_scale(_SIDES), legend=names_legend(_SIDES)
        ),
        "tooltip": told,
    }
    shape = alt.Shape(
        field="side", type="nominal", scale=kinds_scale(_SHAPES), legend=names_legend(_SIDES)
    )
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(field="low", **x), x2=alt.X2(field="high"), **looks
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X(field="gain", **x), shape=shape, **looks
    )
    zero = (
        alt.Chart(alt.NamedData("zero"))
        .mark_rule(color=INK)
        .encode(x=alt.X(field="x", type="quantitative"))
    )
    chart = alt.layer(zero, interval, dots).properties(height=_LINE * len(rows))
    description = f"Gain over {baseline}"
    return finished(chart, methods=rows, zero=pd.DataFrame({"x": [0.0]})) | {
        "description": description
    }


def spread(by_draw: pd.DataFrame, label: str) -> Spec:
    """Draw every score of every method, one tick a draw, so that the spread is seen.

    Parameters
    ----------
    by_draw : DataFrame
        ``method, draw, score`` (points).
    label : str
        Name of the score for the axis.
    """
    rows = by_draw[["method", "draw", "score"]]
    names = list(dict.fromkeys(rows["method"]))
    x = alt.X(
        field="score",
        type="quantitative",
        title=label,
        scale=alt.Scale(zero=False, padding=12),
        axis=alt.Axis(orient="top", tickCount=6),
    )
    hovered = alt.selection_point(on="pointerover", fields=["draw"], nearest=True, empty=False)
    base = alt.Chart(alt.NamedData("draws")).encode(x=x, y=names_axis("method", names))
    # Pointing at one draw shows the same draw of the other methods: easy folds are easy for all.
    ticks = base.mark_tick(thickness=2, size=14).encode(
        color=alt.condition(hovered, alt.value(RED), alt.value(BLUE)),
        opacity=alt.condition(hovered, alt.value(1), alt.value(0.55)),
        tooltip=tooltip(method="", draw="", score=".1f"),
    )
    chart = ticks.add_params(hovered).properties(height=_LINE * len(names))
    return finished(chart, draws=rows)


def label_curve(by_labels: pd.DataFrame, label: str) -> Spec:
    """Draw scores against the number of gold labels, one line a method, with bands.

    Parameters
    ----------
    by_labels : DataFrame
        ``method, labels, score`` and optionally ``low, high`` (points).
    label : str
        Name of the score for the axis.
    """
    rows = _with_bounds(by_labels)
    chosen = alt.selection_point(fields=["method"], bind="legend")
    names = names_legend(rows["method"].unique())
    names.symbolOpacity = 1  # bands are faint, their names are not
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X(
            field="labels",
            type="quantitative",
            title="gold labels",
            scale=alt.Scale(zero=False, padding=12),
        ),
        color=alt.Color(field="method", type="nominal", sort=None, legend=names),
        tooltip=tooltip(method="", labels="", score=".1f", low=".1f", high=".1f"),
    )
    y: Spec = {"type": "quantitative", "title": label, "scale": alt.Scale(zero=False)}
    faint = alt.condition(chosen, alt.value(0.18), alt.value(0.03))
    clear = alt.condition(chosen, alt.value(1), alt.value(0.15))
    bands = base.mark_area().encode(
        y=alt.Y(field="low", **y), y2=alt.Y2(field="high"), opacity=faint
    )
    lines = base.mark_line(point=True).encode(y=alt.Y(field="score", **y), opacity=clear)
    chart = alt.layer(bands, lines.add_params(chosen)).properties(height=HEIGHT)
    return finished(chart, points=rows)


def _with_bounds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy that has the columns ``low, high``, NaN where there were none."""
    missing = {name: np.nan for name in ("low", "high") if name not in frame}
    return frame.reset_index(drop=True).assign(**missing)


def _lines(rows: pd.DataFrame) -> alt.Chart:
    """Return the start of a chart with one method a line, from the top down."""
    names = list(dict.fromkeys(rows["method"].map(str)))
    return alt.Chart(alt.NamedData("methods")).encode(y=names_axis("method", names))
