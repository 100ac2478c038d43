"""Charts of scores against the number of labels: measured points, fitted curves, and the gain."""

from __future__ import annotations

import altair as alt
import pandas as pd

from spear_amal.report.charts.style import BLUE, HEIGHT, INK, Spec, finished, names_legend, tooltip

_LABELS = "gold labels"


def fitted_curves(curves: pd.DataFrame, points: pd.DataFrame, label: str) -> Spec:
    """Draw curves with bands, dashed beyond the numbers that were tried, and the points behind.

    Parameters
    ----------
    curves : DataFrame
        ``method, labels, score, low, high`` (points) and ``measured``.
    points : DataFrame
        ``method, labels, score`` (points).
    label : str
        Name of the score for the axis.
    """
    names = names_legend(points["method"].unique())
    names.symbolOpacity = 1  # bands are faint, their names are not
    # The dashed part starts where the other one ends.
    last = curves[curves["measured"]].groupby("method").tail(1).assign(measured=False)
    rows = pd.concat([curves, last]).sort_values("labels", kind="stable")
    rows["where"] = rows["measured"].map({True: "tried", False: "beyond"})
    color = alt.Color(field="method", type="nominal", sort=None, legend=names)
    y: Spec = {"type": "quantitative", "title": label, "scale": alt.Scale(zero=False)}
    told = tooltip(method="", labels="", score=".1f", low=".1f", high=".1f")
    base = alt.Chart(alt.NamedData("curves")).encode(x=_labels_axis(), color=color, tooltip=told)
    bands = base.mark_area(opacity=0.15).encode(
        y=alt.Y(field="low", **y), y2=alt.Y2(field="high"), detail=alt.Detail(field="where")
    )
    dash = alt.Scale(domain=["tried", "beyond"], range=[[1, 0], [5, 4]])
    lines = base.mark_line().encode(
        y=alt.Y(field="score", **y),
        strokeDash=alt.StrokeDash(field="where", type="nominal", scale=dash, legend=None),
    )
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            x=_labels_axis(),
            y=alt.Y(field="score", **y),
            color=color,
            tooltip=tooltip(method="", labels="", score=".1f"),
        )
    )
    chart = alt.layer(bands, lines, dots).properties(height=HEIGHT)
    return finished(chart, curves=rows.drop(columns="measured"), points=points)


def gain_by_labels(gains: pd.DataFrame) -> Spec:
    """Draw what rules add with so many labels, with 95% intervals.

    Parameters
    ----------
    gains : DataFrame
        ``labels, gain, low, high``, in points.
    """
    y: Spec = {"type": "quantitative", "title": "gain of the rules, points"}
    told = tooltip(labels="", gain="+.1f", low="+.1f", high="+.1f")
    base = alt.Chart(alt.NamedData("gains")).encode(x=_labels_axis(), tooltip=told)
    bars = base.mark_rule(strokeWidth=2, color=BLUE).encode(
        y=alt.Y(field="low", **y), y2=alt.Y2(field="high")
    )
    dots = base.mark_point(filled=True, size=70, opacity=1, color=BLUE).encode(
        y=alt.Y(field="gain", **y)
    )
    zero = (
        alt.Chart(alt.NamedData("zero"))
        .mark_rule(color=INK)
        .encode(y=alt.Y(field="y", type="quantitative"))
    )
    chart = alt.layer(zero, bars, dots).properties(height=HEIGHT)
    return finished(chart, gains=gains, zero=pd.DataFrame({"y": [0.0]}))


def _labels_axis() -> alt.X:
    """Return an axis of numbers of labels, each as far from the next one as its double is."""
    return alt.X(
        field="labels",
        type="quantitative",
        title=_LABELS,
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(tickCount=6, format=",d"),
    )
